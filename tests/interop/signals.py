"""Signals that would end a process, and do not end this one."""

import resource
import signal
import sys

from lib import config, wire
from lib.case import Case, main
from lib.images import MIB, pattern

LIMIT = 1 * MIB


class Signals(Case):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk.img"
        self.disk.write_bytes(pattern(4 * MIB))
        self.server = self.serve([config.file_export(self.disk)])

    def test_a_write_beyond_the_limit_of_file_sizes_is_told_as_no_space(self):
        resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE, (LIMIT, LIMIT))  # as `ulimit -f` before its start
        with wire.Client(self.server).go("disk") as client:
            for offset, length in ((2 * MIB, 4096), (LIMIT - 512, 1024), (LIMIT, 512), (0, 2 * MIB)):
                error = client.ask(wire.CMD_WRITE, offset, length, data=bytes(length))
                self.assertEqual(error, wire.ENOSPC, (offset, length))
            wanted = pattern(4 * MIB)[2 * MIB:2 * MIB + 4096]
            self.assert_same(client.ask(wire.CMD_READ, 2 * MIB, 4096), wanted, "a read")
            self.assertEqual(client.ask(wire.CMD_WRITE, LIMIT - 4, 4, data=b"last"), 0)
            self.assertEqual(client.ask(wire.CMD_READ, LIMIT - 4, 4), b"last")
        with wire.Client(self.server).go("disk") as another:
            self.assertEqual(another.ask(wire.CMD_READ, LIMIT - 4, 4), b"last")
        self.server.stop()

    def test_it_hears_what_was_blocked_by_who_started_it(self):
        file = self.write("blocked.toml", config.toml([config.file_export(self.disk)], listen=[f"unix:{self.folder}/blocked.sock"]))
        # The mask goes on to the program that is executed, and through it to the server.
        blocked = [sys.executable, "-c", "import os, signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals()); "
                   "os.execv(sys.argv[1], sys.argv[1:])"]
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve_words([file], within=blocked)
            server.process.send_signal(signal.SIGHUP)
            self.wait_until("it is reloaded", lambda: "nothing has changed" in server.log())
            server.stop(number)

    def test_signals_that_mean_nothing_here(self):
        with wire.Client(self.server).go("disk") as client:
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ):
                self.server.process.send_signal(number)
                self.assert_same(client.ask(wire.CMD_READ, 4096, 512), pattern(4 * MIB)[4096:4096 + 512], number.name)
        self.server.stop()


if __name__ == "__main__":
    main()
