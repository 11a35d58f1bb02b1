"""What clients cost in threads, and what becomes of them when there are none to be had."""

import os
import shutil

from frame import MIB, SANITIZED, SLOW, Household, config, main, pattern, processes, wire

CROWD = 200 if SANITIZED else 1000
# Threads more or fewer that say nothing: those that wait a while for work, and a client that was just served.
FEW = 10


class Stalling(Household):
    def assert_few_threads(self, what):
        self.wait_until(what, lambda: processes.threads(self.server.pid) <= self.threads + FEW,
                        lambda: f"{processes.threads(self.server.pid)} threads, {self.threads} without clients")

    def check_stalled(self, request, sent):
        """Clients that have sent the beginning of `request`; its rest is served all the same."""
        clients = [self.talking() for _ in range(CROWD)]
        for client in clients:
            client.send(request[:sent])
        self.assert_few_threads(f"{CROWD} clients that have sent {sent} of {len(request)} bytes need few threads")
        for client in clients[::CROWD // 10]:
            client.send(request[sent:])
            self.assertEqual(client.simple_reply(), (0, b""))
            self.assert_still_in_step(client)


class Stalled(Stalling):
    """Clients that have sent part of a request need no more threads than those that have sent nothing."""

    # With memory for all that they have begun to send: who keeps it from others for long is ended.
    settings = {"max_connections": 2 * CROWD, "max_memory": "8G"}

    def test_idle_clients(self):
        for _ in range(CROWD):
            self.talking()
        self.assert_few_threads(f"{CROWD} idle clients need few threads")

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


class StalledInLittleMemory(Stalling):
    """The same with the memory that a server has by default: what they have sent is kept in as much as it needs."""

    settings = {"max_connections": 2 * CROWD}

    def test_the_beginning_of_a_payload(self):
        self.check_stalled(wire.request(wire.CMD_WRITE, MIB, 65536) + bytes(65536), 28 + 5000)


class Waiting(Household):
    """Requests that wait for a disk without the page cache."""

    ROUNDS, LENGTH = 200, 4096

    def serve(self, exports, **how):
        return super().serve([*exports, *self.direct_export()], **how)

    def setUp(self):
        super().setUp()
        self.need_direct()

    def test_durable_writes_zeroes_and_trims_need_few_threads(self):
        client, most = self.talking("direct"), 0
        for number in range(self.ROUNDS):
            at = MIB + 3 * number * self.LENGTH
            client.request(wire.CMD_WRITE, at, self.LENGTH, flags=wire.CMD_FLAG_FUA, data=bytes([number % 255 + 1]) * self.LENGTH)
            client.request(wire.CMD_WRITE_ZEROES, at + self.LENGTH, self.LENGTH)
            client.request(wire.CMD_TRIM, at + 2 * self.LENGTH, self.LENGTH)
            most = max(most, processes.threads(self.server.pid))
        for _ in range(3 * self.ROUNDS):
            self.assertEqual(client.simple_reply(), (0, b""))
            most = max(most, processes.threads(self.server.pid))
        self.assertLess(most, self.threads + 3 * FEW)
        for number in range(self.ROUNDS):
            client.request(wire.CMD_READ, MIB + 3 * number * self.LENGTH, 2 * self.LENGTH)
            written = bytes([number % 255 + 1]) * self.LENGTH
            self.assertEqual(client.simple_reply(2 * self.LENGTH), (0, written + bytes(self.LENGTH)))


class Short(Household):
    """A server that may have a few threads only."""

    MOST = 20  # threads
    CLIENTS = 40
    settings = {"max_connections": 1000, "handshake_timeout": 600}  # who waits for a thread is not to blame

    def setUp(self):
        lacking = [program for program in ("prlimit", "setpriv") if shutil.which(program) is None]
        if os.geteuid() != 0 or lacking:
            self.skipTest("limiting the threads of one server needs root, prlimit and setpriv")
        super().setUp()

    def serve(self, exports, **how):
        # The limit is one of the real user, and not for root or who may exceed it: a number that nobody else has, with root's rights
        # otherwise.
        user = 1_000_000_000 + os.getpid()
        within = ["prlimit", f"--nproc={self.MOST}", "setpriv", f"--ruid={user}", "--bounding-set=-sys_resource,-sys_admin"]
        self.gate = self.folder / "gate"
        slow = {"type": SLOW, "tally": str(self.folder / "tally"), "gate": str(self.gate)}
        return super().serve([*exports, config.memory_export("1M", "slow", [slow])], within=within, **how)

    def test_clients_wait_and_none_is_dropped(self):
        idle = [self.talking() for _ in range(self.CLIENTS)]
        self.wait_until("idle clients need few threads", lambda: processes.threads(self.server.pid) <= self.threads + 2,
                        lambda: processes.threads(self.server.pid))
        busy = [self.talking("slow") for _ in range(self.CLIENTS)]
        for client in busy:
            client.request(wire.CMD_FLUSH)
        self.wait_until("all threads are taken", lambda: processes.threads(self.server.pid) >= self.MOST - 1,
                        lambda: processes.threads(self.server.pid))
        for client in idle:
            client.request(wire.CMD_READ, 0, 4096)
        newcomer = self.client()
        self.gate.touch()
        for client in busy:
            self.assertEqual(client.simple_reply(), (0, b""))
        for client in idle:
            self.assertEqual(client.simple_reply(4096), (0, pattern(MIB)[:4096]))
        newcomer.go("disk")
        self.assert_still_in_step(newcomer)


if __name__ == "__main__":
    main()
