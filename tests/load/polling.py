"""Busy polling: a server that shall poll does so while its client thinks, and none burns a core for a client that asks for nothing.

The server's CPU time tells: it is the same on a busy machine."""

import time

from frame import Household, main, processes, wire

# CPU seconds for 300 requests of a client that thinks for 0.9 s in all: who answers and sleeps needs far less, with a sanitizer, too.
POLLS = 0.3


class Polling(Household):
    def cpu_seconds(self):
        return processes.cpu_seconds(self.server.pid)

    def cpu_while_thinking(self, requests=300):
        """CPU seconds that the server takes for requests of a client that thinks for 3 ms before each."""
        client = self.talking()
        before = self.cpu_seconds()
        for _ in range(requests):
            time.sleep(0.003)
            client.ask(wire.CMD_READ, 0, 512)
        return self.cpu_seconds() - before

    def assert_idle_after_work(self):
        clients = [self.talking() for _ in range(3)]
        for client in clients:
            for _ in range(2000):  # so that polling has paid
                client.ask(wire.CMD_READ, 0, 512)
        self.wait_until("the server rests", lambda: self.cpu_within_a_second() < 0.05, lambda: f"{self.cpu_seconds()} s of CPU")
        for client in clients:
            self.assert_still_in_step(client)

    def cpu_within_a_second(self):
        before = self.cpu_seconds()
        time.sleep(1)
        return self.cpu_seconds() - before


class Auto(Polling):
    settings = {"busy_poll": "auto"}

    def test_auto(self):
        self.assert_idle_after_work()


class Never(Polling):
    settings = {"busy_poll": 0}

    def test_never(self):
        self.assertLess(self.cpu_while_thinking(), POLLS)
        self.assert_idle_after_work()


class AtMost(Polling):
    settings = {"busy_poll": 10_000}

    def test_the_longest_time(self):
        self.wait_until("it polls", lambda: self.cpu_while_thinking() > POLLS, lambda: f"never took {POLLS} s of CPU")
        self.assert_idle_after_work()


if __name__ == "__main__":
    main()
