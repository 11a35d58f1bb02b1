"""Many connections."""

import resource

from frame import MIB, SANITIZED, TRANSPORT, Household, main, pattern, processes, wire

SPARE = 200  # descriptors for everything but clients


def clients_to_hold():
    """10 000, or fewer where descriptors or ports are short or a sanitizer makes everything slow."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server takes what it is allowed by itself
    return min(2000 if SANITIZED or TRANSPORT != "unix" else 10_000, most - SPARE)


MOST_IDLE = 60 * MIB if TRANSPORT == "tls" else 25 * MIB
# When the allocator has given back what their handshakes and requests have left between what they still need.
MOST_CALM = 56 * MIB


class Idle(Household):
    def test_1000_idle_connections_take_little_memory_in_all(self):
        clients = [self.talking() for _ in range(1000)]
        for client in clients:
            self.assertEqual(len(client.ask(wire.CMD_READ, 4096, 4096)), 4096)
        # They idle when they have let their buffers go.
        self.assert_resident(MOST_IDLE, "idle clients")
        if TRANSPORT == "tls":  # one that goes on talking does not keep it
            busy = self.talking()
            self.assert_resident(MOST_CALM, "1000 that are calm and one that is not",
                                 lambda: self.assertEqual(len(busy.ask(wire.CMD_READ, 4096, 4096)), 4096))
        self.good_client()

    def assert_resident(self, most, who, meanwhile=lambda: None):
        def holds():
            meanwhile()
            return self.resident() <= most
        if not SANITIZED:
            self.wait_until(f"{who} take {most >> 20} MiB in all", holds, lambda: f"{self.resident() >> 10} KiB")

    def resident(self):
        return processes.resident_bytes(self.server.pid)


class Held(Household):
    settings = {"max_connections": 11_000}

    def test_a_request_is_answered_on_each_of_thousands_of_connections(self):
        number = clients_to_hold()
        self.hold(number)
        # Of so many the allocator keeps some memory, the same for as many again.
        self.let_clients_go()
        own = self.threads + (1 if TRANSPORT == "tls" else 0)  # with TLS one looks at the certificates' files every 3 s
        self.wait_until("its threads have ended", lambda: processes.threads(self.server.pid) <= own,
                        lambda: f"{processes.threads(self.server.pid)} instead of {own}", patience=600)
        self.note_what_it_has()
        self.hold(number)
        self.good_client()

    def hold(self, number):
        clients = [self.talking() for _ in range(number)]
        # All ask before any is read from.
        for cookie, client in enumerate(clients):
            client.request(wire.CMD_READ, cookie % 2048 * 512, 512, cookie=cookie)
        wanted = pattern(MIB)
        for cookie, client in enumerate(clients):
            error, data = client.simple_reply(512, cookie)
            self.assertEqual(error, 0)
            begin = cookie % 2048 * 512
            self.assert_same(data, wanted[begin:begin + 512], f"client {cookie}")


if __name__ == "__main__":
    main()
