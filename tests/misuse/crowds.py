"""Clients that are slow, silent or many."""

import threading
import time

from household import MEMORY_SLACK, MIB, PATIENCE, TRANSPORT, Household, libnbd, main, pattern, wire


class Patience(Household):
    """A server whose patience with a handshake is short, but long enough for good clients on a busy machine."""

    settings = {"handshake_timeout": 5}

    def test_silent_client_is_dropped(self):
        silent, greeted = self.client(), self.client()
        greeted.greet()
        self.assert_dropped(silent)
        self.assert_dropped(greeted)

    def test_slow_handshake_is_dropped(self):
        # One byte per tick: never silent for long, never done.
        client = self.client()
        whole = b"\0\0\0\3" + b"IHAVEOPT" + (4000).to_bytes(4, "big") + (1 << 20).to_bytes(4, "big") + bytes(1 << 20)
        end = time.monotonic() + 60
        try:
            for byte in whole:
                client.send(bytes([byte]))
                self.assertLess(time.monotonic(), end, "the server puts up with a handshake without end")
                time.sleep(0.2)
        except wire.Closed:
            pass
        self.assert_dropped(client)

    def test_an_idle_client_in_transmission_is_not_dropped(self):
        client = self.talking()
        self.assert_dropped(self.client())  # a silent one that came later is gone: the timeout is over
        self.assert_still_in_step(client)


class Limit(Household):
    settings = {"max_connections": 4}

    def test_more_clients_than_allowed(self):
        served = [self.talking() for _ in range(4)]
        for _ in range(20):
            surplus = self.client()
            with self.assertRaises(wire.Closed, msg="a client too many is served"):
                surplus.receive(1)
            surplus.close()
        for client in served:
            self.assert_still_in_step(client)
        # Room again once one has left.
        served[0].close()
        self.wait_until("there is room again", self.is_served, lambda: "turned away")
        for client in served[1:]:
            self.assert_still_in_step(client)

    def is_served(self):
        try:
            self.good_client()
        except libnbd.Error:
            return False
        return True


class Crowds(Household):
    def test_200_connections_at_once(self):
        wrong = []

        def visit(number):
            try:
                with wire.Client(self.server, PATIENCE, TRANSPORT).go("disk") as client:
                    for round_ in range(20):
                        offset = (number * 20 + round_) * 256 % (MIB - 512)
                        if client.ask(wire.CMD_READ, offset, 512) != pattern_[offset:offset + 512]:
                            wrong.append((number, round_))
            except Exception as error:  # noqa: BLE001 — told by the assertion below
                wrong.append((number, error))

        pattern_ = pattern(MIB)
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_1000_idle_connections(self):
        clients = [self.talking() for _ in range(1000)]
        self.good_client()
        # An idle client is cheap.
        self.assertLess(self.growth(), 1000 * 64 * 1024 + 2 * MEMORY_SLACK)
        for client in clients[::100]:
            self.assert_still_in_step(client)

    def test_1000_silent_connections(self):
        clients = [self.client() for _ in range(1000)]
        self.good_client()
        for client in clients[::100]:
            client.receive(18)

    def test_connections_that_come_and_go(self):
        for _ in range(1000):
            self.client().close()
        for _ in range(100):
            self.talking().close()

    def test_stopping_with_a_crowd(self):
        for _ in range(100):
            self.talking()
            self.client()
        self.server.stop()
        self.clients.clear()
        self.server = self.serve_words([self.folder / "0.toml"], addresses=len(self.server.listening), environment=self.environment)
        self.note_what_it_has()


if __name__ == "__main__":
    main()
