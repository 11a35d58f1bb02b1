"""Busy polling: each setting is taken and served, and none burns a core for a client that asks for nothing."""

import os
import pathlib
import time

from frame import Household, main, wire

TICKS = os.sysconf("SC_CLK_TCK")


class Polling(Household):
    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def assert_idle_after_work(self):
        clients = [self.talking() for _ in range(3)]
        for client in clients:
            for _ in range(2000):  # so that polling has paid
                client.ask(wire.CMD_READ, 0, 512)
        time.sleep(0.5)
        before, begin = self.cpu_seconds(), time.monotonic()
        time.sleep(1)
        used = (self.cpu_seconds() - before) / (time.monotonic() - begin)
        self.assertLess(used, 0.05, "part of a core, for clients that ask for nothing")
        for client in clients:
            self.assert_still_in_step(client)


class Auto(Polling):
    settings = {"busy_poll": "auto"}

    def test_auto(self):
        self.assert_idle_after_work()


class Never(Polling):
    settings = {"busy_poll": 0}

    def test_never(self):
        self.assert_idle_after_work()


class AtMost(Polling):
    settings = {"busy_poll": 10_000}

    def test_the_longest_time(self):
        self.assert_idle_after_work()


if __name__ == "__main__":
    main()
