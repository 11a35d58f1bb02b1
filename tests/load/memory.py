"""Memory in flight is bounded, whatever clients ask for and however slowly they read or write."""

import contextlib
import os
import socket
import threading
import time

from frame import MIB, SANITIZED, Household, Watch, config, main, pattern, wire

LIMIT = 128 * MIB
LARGE = 32 * MIB
# The program, and what the allocator keeps.
BASE = (512 if SANITIZED else 32) * MIB


class Memory(Household):
    settings = {"max_memory": "128M"}

    def setUp(self):
        super().setUp()
        self.watch = Watch(self.server.pid)
        self.watch.__enter__()

    def tearDown(self):
        self.watch.__exit__()
        self.assertLess(self.watch.most, LIMIT + BASE, f"the server has taken {self.watch.most >> 20} MiB")
        super().tearDown()

    def deaf_client(self, name="disk", reads=64, structured=False):
        """Asks for 32 MiB, again and again, and reads nothing."""
        client = self.talking(name, structured)
        for cookie in range(reads):
            client.request(wire.CMD_READ, 0, LARGE, cookie=cookie)
        return client

    def stalled_writer(self, sent=LARGE - 4096):
        """Sends a write of 32 MiB but for its end."""
        client = self.talking()
        client.socket.settimeout(None)
        client.request(wire.CMD_WRITE, LARGE, LARGE)

        def send():
            try:
                client.send(bytes(sent))
            except (wire.Closed, OSError):
                pass  # it is ended when others need the memory, and at the end of the test

        client.sender = threading.Thread(target=send, daemon=True)
        client.sender.start()
        return client

    def small_reads(self, client, number=200):
        wanted = pattern(MIB)
        for i in range(number):
            begin = i * 4096 % MIB
            self.assert_same(client.ask(wire.CMD_READ, begin, 4096), wanted[begin:begin + 4096], "a small read beside them")

    def large_write(self, client, byte):
        # Nobody who behaves has to wait for ever for memory that others sit on.
        self.assertEqual(client.ask(wire.CMD_WRITE, LARGE, LARGE, data=bytes([byte]) * LARGE), 0)
        self.assertEqual(client.ask(wire.CMD_READ, LARGE + 12345, 3), bytes([byte]) * 3)


class DeafReaders(Memory):
    """The memory plugin does not lend: each of its replies is a buffer. The file plugin lends; with align it does not."""

    def setUp(self):
        super().setUp()
        self.small = self.talking()

    def serve(self, exports, **how):
        align = {"type": "align", "block_size": "4K"}
        return super().serve([*exports, config.file_export(self.disk, "copied", [align]), config.memory_export("64M")], **how)

    def test_of_a_file(self):
        for structured in (False, True):
            self.deaf_client(structured=structured)
        self.small_reads(self.small)

    def test_through_a_filter_that_does_not_lend(self):
        self.deaf_client("copied")
        self.small_reads(self.small)

    def many(self, number):
        # Simple replies: in structured ones the holes would take no memory.
        for i in range(number):
            self.deaf_client(("disk", "copied", "memory")[i % 3])
        self.small_reads(self.small)

    def test_many_at_once(self):
        self.many(12)
        time.sleep(1)  # whatever they can make the server take, it takes now
        self.small_reads(self.small)

    def test_a_large_read_beside_many(self):
        self.many(6)
        # One that cannot be lent needs memory that they hold; it comes when they have been found out one after another.
        reader = self.talking("copied")
        reader.socket.settimeout(300)
        self.assertEqual(len(reader.ask(wire.CMD_READ, 0, LARGE)), LARGE)
        self.small_reads(self.small)

    def test_a_slow_reader_does_not_slow_another_client(self):
        slow = self.deaf_client("copied")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(20):
            slow.receive(16)
            self.small_reads(self.small, 50)

    def test_who_reads_late_gets_everything(self):
        late = self.deaf_client("copied", reads=4)
        time.sleep(1)
        wanted = pattern(MIB)
        left = set(range(4))
        while left:  # in any order
            cookie = int.from_bytes(late.peek(16)[8:], "big")
            error, data = late.simple_reply(LARGE, cookie)
            left.remove(cookie)
            self.assertEqual(error, 0)
            self.assert_same(data[:MIB], wanted, "what was read late")


class SmallDirectReads(Memory):
    """Replies from the disk that are small each, and many."""

    def serve(self, exports, **how):
        return super().serve([*exports, *self.direct_export()], **how)

    def test_of_many_clients_that_read_nothing(self):
        self.need_direct()
        small = self.talking()
        for _ in range(24):
            client = self.talking("direct")
            client.send(b"".join(wire.request(wire.CMD_READ, 0, 252 << 10, cookie=cookie) for cookie in range(200)))
        self.small_reads(small)
        time.sleep(2)  # whatever they can make the server take, it takes now
        self.small_reads(small)


class StalledWriters(Memory):
    def tearDown(self):
        for client in self.clients:
            if hasattr(client, "sender"):
                with contextlib.suppress(OSError):  # the server has hung up before
                    client.socket.shutdown(socket.SHUT_RDWR)
                client.sender.join()
        super().tearDown()

    def test_many_stall_within_a_payload(self):
        small = self.talking()
        for _ in range(12):
            self.stalled_writer()
        self.small_reads(small)
        writer = self.talking()
        writer.socket.settimeout(300)
        self.large_write(writer, 7)
        self.small_reads(small)

    def test_who_stalls_is_left_alone_while_nobody_needs_the_memory(self):
        stalled = [self.stalled_writer() for _ in range(2)]
        for client in stalled:
            client.sender.join()
        time.sleep(13)  # the patience with those who stall while others wait is 10 s
        for client in stalled:
            client.socket.settimeout(60)
            client.send(bytes(4096))
            self.assertEqual(client.simple_reply(), (0, b""))

    def test_a_claimed_length_takes_no_memory(self):
        for _ in range(200):
            self.talking().request(wire.CMD_WRITE, 0, LARGE)
        self.small_reads(self.talking())
        self.watch.look()
        self.assertLess(self.watch.most, self.memory + BASE, "lengths that were only claimed took memory")


class Listing(Memory):
    """Names of a template, each of which would have the description, too."""

    names, clients_at_once = 30_000, 24

    def serve(self, exports, **how):
        (self.folder / "images").mkdir()
        source = self.folder / "source"
        source.write_bytes(bytes(512))
        for number in range(self.names):
            os.link(source, self.folder / "images" / f"{number:06}{'x' * 200}")
        template = config.file_export(self.folder / "images" / "*", "images/*", description="d" * 4096)
        return super().serve([*exports, template], **how)

    def test_many_that_list_at_once(self):
        small = self.talking()
        for _ in range(self.clients_at_once):
            client = self.client()
            client.greet()
            client.option_head(wire.OPT_LIST, 0)
        self.small_reads(small)
        self.let_clients_go()
        client = self.client()
        client.greet()
        self.assertEqual(len(client.option(wire.OPT_LIST)), self.names + 3)


if __name__ == "__main__":
    main()
