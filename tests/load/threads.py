"""What clients cost in threads."""

from frame import MIB, Household, main, processes, wire

CROWD = 1000
# Threads more or fewer that say nothing: those that wait a while for work, and a client that was just served.
FEW = 10


class Stalled(Household):
    """Clients that have sent part of a request need no more threads than those that have sent nothing."""

    settings = {"max_connections": 2 * CROWD}

    def assert_few_threads(self, what):
        self.wait_until(what, lambda: processes.threads(self.server.pid) <= self.threads + FEW,
                        lambda: f"{processes.threads(self.server.pid)} threads, {self.threads} without clients")

    def test_idle_clients(self):
        for _ in range(CROWD):
            self.talking()
        self.assert_few_threads(f"{CROWD} idle clients need few threads")

    def check_stalled(self, request, sent):
        """Clients that have sent the beginning of `request`; its rest is served all the same."""
        clients = [self.talking() for _ in range(CROWD)]
        for client in clients:
            client.send(request[:sent])
        self.assert_few_threads(f"{CROWD} clients that have sent {sent} of {len(request)} bytes need few threads")
        for client in clients[::100]:
            client.send(request[sent:])
            self.assertEqual(client.simple_reply(), (0, b""))
            self.assert_still_in_step(client)

    def test_one_byte_of_a_request(self):
        self.check_stalled(wire.request(wire.CMD_FLUSH), 1)

    def test_half_a_header(self):
        self.check_stalled(wire.request(wire.CMD_FLUSH), 14)

    def test_the_beginning_of_a_payload(self):
        write = wire.request(wire.CMD_WRITE, 2 * MIB, MIB) + bytes(MIB)
        self.check_stalled(write, 28)
        self.let_clients_go()
        self.check_stalled(write, 100_000)

    def test_half_an_option(self):
        clients = [self.client() for _ in range(CROWD)]
        for client in clients:
            client.greet()
            client.option_head(wire.OPT_GO, 10)
        self.assert_few_threads(f"{CROWD} clients within the handshake need few threads")


if __name__ == "__main__":
    main()
