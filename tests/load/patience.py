"""Who has to give memory back when others want it, and who has not. max_memory is four times the largest payload here, so two replies
of that size fit beside the shares."""

import ssl
import threading
import time

from frame import MIB, SLOW, Household, config, main, wire
from lib import storage

LARGE = 32 * MIB
RATE = 64 << 10    # bytes that a dripping client takes in a second
LONG = 180         # seconds; a server that bounds what others hold needs far less, one that does not needs minutes more
DEAF_FOR = 25      # seconds; twice the patience that the server has with those who hold what others want


class Drip(threading.Thread):
    """Takes a little of what the server sends to each of its clients, again and again, until they are all ended."""

    def __init__(self, clients):
        super().__init__(daemon=True)
        self.clients, self.ended, self.over = list(clients), 0, threading.Event()
        for client in clients:
            client.socket.setblocking(False)
        self.start()

    def run(self):
        while self.clients and not self.over.wait(0.25):
            for client in list(self.clients):
                try:
                    gone = client.socket.recv(RATE // 4) == b""
                except (BlockingIOError, ssl.SSLWantReadError):
                    gone = False
                except OSError:
                    gone = True
                if gone:
                    self.clients.remove(client)
                    self.ended += 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.over.set()
        self.join()


class Patience(Household):
    settings = {"max_memory": "128M"}

    def serve(self, exports, **how):
        slow = {"type": SLOW, "tally": str(self.folder / "tally")}
        return super().serve([*exports, config.memory_export("64M"), config.memory_export("64M", "workers", [slow]),
                              *self.direct_export()], **how)

    def owed(self, name, reads):
        """A client that has asked for so many large replies, and reads nothing yet."""
        client = self.talking(name)
        for cookie in range(reads):
            client.request(wire.CMD_READ, 0, LARGE, cookie=cookie)
        return client

    def take(self, client, reads):
        """Reads all that it is owed, in any order."""
        left = set(range(reads))
        while left:
            cookie = int.from_bytes(client.peek(16)[8:], "big")
            error, data = client.simple_reply(LARGE, cookie)
            left.remove(cookie)
            self.assertEqual(error, 0)
            self.assertEqual(len(data), LARGE)

    def served_beside(self, name):
        """Another client reads as much, and writes as much."""
        other = self.talking(name)
        other.socket.settimeout(LONG)
        self.assertEqual(len(other.ask(wire.CMD_READ, 0, LARGE)), LARGE)
        self.assertEqual(other.ask(wire.CMD_WRITE, LARGE, LARGE, data=bytes(LARGE)), 0)

    def who_drips_is_ended(self, name):
        with Drip([self.owed(name, 16) for _ in range(4)]) as drip:
            self.served_beside(name)
            # It notices when it has taken what its socket still holds.
            self.wait_until("one that drips is ended", lambda: drip.ended > 0, lambda: f"{drip.ended} of them are")

    def test_who_drips_is_ended_when_others_want_the_memory(self):
        self.who_drips_is_ended("memory")

    def test_who_drips_is_ended_when_others_want_the_memory_and_workers_serve(self):
        self.who_drips_is_ended("workers")

    def test_who_drips_is_left_alone_while_nobody_wants_it(self):
        client = self.owed("memory", 2)
        with Drip([client]) as drip:
            time.sleep(DEAF_FOR)
            self.assertEqual(drip.ended, 0)

    def nobody_is_ended_for_what_it_itself_wants(self, name):
        client = self.owed(name, 8)  # more than there is memory for, all of one client
        time.sleep(DEAF_FOR)
        self.take(client, 8)

    def test_nobody_is_ended_for_what_it_itself_wants(self):
        self.nobody_is_ended_for_what_it_itself_wants("memory")

    def test_nobody_is_ended_for_what_it_itself_wants_of_workers(self):
        self.nobody_is_ended_for_what_it_itself_wants("workers")

    def test_nobody_is_ended_for_what_it_itself_wants_of_the_disk(self):
        self.need_direct()
        self.nobody_is_ended_for_what_it_itself_wants("direct")

    def test_lent_replies_hinder_nobody(self):
        self.addCleanup(storage.held_in_page_cache(self.disk, LARGE).close)  # what is there is lent
        deaf = [self.owed("disk", 2) for _ in range(4)]
        for client in deaf:
            client.peek(1)  # it is being answered
        self.served_beside("memory")
        self.served_beside("disk")
        # Not one of them was ended for it.
        for client in deaf:
            self.take(client, 2)


if __name__ == "__main__":
    main(at_once=True)
