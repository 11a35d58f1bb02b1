"""Sins of transmission, one per test."""

import random
import struct

from household import MEMORY_SLACK, MIB, SIZE, Household, config, main, pattern, wire

LONGEST = (1 << 32) - 1  # bytes, as the wire can claim
LIMIT = 64 * MIB         # largest read or write that is answered
MEMORY = 128 * MIB       # max_memory
TOP = (1 << 64) - 1
KNOWN_FLAGS = 0x1F


class Requests(Household):
    settings = {"max_payload": "32M", "max_memory": "128M"}

    def serve(self, exports, **how):
        # Whose replies are not lent, but copied.
        align = {"type": "align", "block_size": "4K"}
        return super().serve([*exports, config.file_export(self.disk, "copied", [align]), *self.direct_export()], **how)

    def assert_refused(self, error, *request, **more):
        """The request is refused with `error`, by simple and by structured reply, and the session goes on."""
        for structured in (False, True):
            client = self.talking(structured=structured)
            client.request(*request, **more)
            self.assertEqual(self.error_of(client, structured), error, (structured, request))
            client.request(wire.CMD_READ, 512, 512)
            if structured:
                (kind, payload), = client.chunks()
                self.assertEqual(kind, 1)
                self.assert_same(payload[8:], pattern(MIB)[512:1024])
            else:
                self.assert_same(client.simple_reply(512)[1], pattern(MIB)[512:1024])
            client.close()

    def error_of(self, client, structured):
        """The error of the next reply. Only a READ is bound to be answered by structured reply; others may be."""
        magic, = struct.unpack(">I", client.peek(4))
        if magic == wire.SIMPLE_REPLY_MAGIC:
            return client.simple_reply()[0]
        self.assertTrue(structured, "a structured reply that was not agreed on")
        kind, payload = client.chunks()[-1]
        self.assertEqual(kind & 0x8000, 0x8000, "an error chunk is expected")
        error, length = struct.unpack(">IH", payload[:6])
        payload[6:6 + length].decode()
        return error

    # ---- Out of step: this client alone is dropped ----

    def test_wrong_request_magic(self):
        client, other = self.talking(), self.talking()
        client.request(wire.CMD_READ, 0, 512, magic=wire.REQUEST_MAGIC + 1)
        self.assert_dropped(client)
        self.assert_still_in_step(other)

    def test_random_bytes_instead_of_requests(self):
        for seed in range(200):
            client = self.talking()
            try:
                client.send(random.Random(seed).randbytes(random.Random(seed).randrange(28, 5000)))
            except wire.Closed:
                continue
            self.assert_dropped(client)
            client.close()

    # ---- In step: the error the text asks for, and the session goes on ----

    def test_unknown_commands(self):
        for command in (8, 9, 100, 0xFFFF):
            self.assert_refused(wire.EINVAL, command, 0, 512)

    def test_unknown_flags(self):
        for flags in (0x20, 0x8000, 0xFFFF & ~KNOWN_FLAGS):
            self.assert_refused(wire.EINVAL, wire.CMD_READ, 0, 512, flags)
            self.assert_refused(wire.EINVAL, wire.CMD_FLUSH, 0, 0, flags)

    def test_unknown_flags_of_a_write_leave_the_stream_in_step(self):
        self.assert_refused(wire.EINVAL, wire.CMD_WRITE, 0, 4096, 0x8000, data=b"x" * 4096)
        self.assert_same(self.disk.read_bytes()[:MIB], pattern(MIB))

    def test_flags_of_another_command(self):
        self.assert_refused(wire.EINVAL, wire.CMD_READ, 0, 512, wire.CMD_FLAG_NO_HOLE)
        self.assert_refused(wire.EINVAL, wire.CMD_WRITE_ZEROES, 0, 512, wire.CMD_FLAG_REQ_ONE)
        self.assert_refused(wire.EINVAL, wire.CMD_TRIM, 0, 512, wire.CMD_FLAG_FAST_ZERO)

    def test_df_that_was_not_offered(self):
        client = self.talking()
        self.assertEqual(client.ask(wire.CMD_READ, 0, 512, wire.CMD_FLAG_DF), wire.EINVAL)
        self.assert_still_in_step(client)

    def test_out_of_range(self):
        for offset, length in ((SIZE, 1), (SIZE - 1, 2), (TOP, 1), (TOP - 511, 512), (1 << 63, 512), (SIZE + 1, 512)):
            for command, error in ((wire.CMD_READ, wire.EINVAL), (wire.CMD_TRIM, wire.EINVAL), (wire.CMD_CACHE, wire.EINVAL),
                                   (wire.CMD_WRITE_ZEROES, wire.ENOSPC)):
                self.assert_refused(error, command, offset, length)
            self.assert_refused(wire.ENOSPC, wire.CMD_WRITE, offset, length, data=bytes(length))
        self.assertEqual(self.disk.stat().st_size, SIZE)

    def test_read_only(self):
        client = self.talking("sealed")
        self.assertTrue(client.transmission_flags & 2)
        self.assertEqual(client.ask(wire.CMD_WRITE, 0, 4096, data=b"x" * 4096), wire.EPERM)
        self.assertEqual(client.ask(wire.CMD_WRITE_ZEROES, 0, 4096), wire.EPERM)
        self.assertEqual(client.ask(wire.CMD_TRIM, 0, 4096), wire.EPERM)
        self.assert_still_in_step(client)
        self.assert_same(self.disk.read_bytes()[:MIB], pattern(MIB))

    def test_block_status_without_a_context(self):
        self.assert_refused(wire.EINVAL, wire.CMD_BLOCK_STATUS, 0, 512)

    def test_block_status_of_nothing(self):
        self.assert_refused(wire.EINVAL, wire.CMD_BLOCK_STATUS, 0, 0)

    def test_over_long_payload_then_a_good_request(self):
        client = self.talking()
        for length in (LIMIT + 1, 2 * LIMIT):
            client.request(wire.CMD_WRITE, 0, length, data=bytes(length))
            self.assertEqual(client.simple_reply()[0], wire.EINVAL)
            self.assert_still_in_step(client)
        self.assert_same(self.disk.read_bytes()[:MIB], pattern(MIB))

    def test_over_long_read(self):
        client = self.talking()
        for length in (LIMIT + 1, LONGEST):
            self.assertEqual(client.ask(wire.CMD_READ, 0, length), wire.EINVAL)
        self.assert_still_in_step(client)

    def test_over_long_read_with_structured_replies(self):
        client = self.talking(structured=True)
        client.request(wire.CMD_READ, 0, LIMIT + 1)
        self.assertIn(self.error_of(client, True), (wire.EOVERFLOW, wire.EINVAL))

    def test_no_bytes_at_all(self):
        client = self.talking()
        self.assertEqual(client.ask(wire.CMD_READ, 0, 0), b"")
        for command in (wire.CMD_WRITE, wire.CMD_TRIM, wire.CMD_CACHE, wire.CMD_WRITE_ZEROES, wire.CMD_FLUSH):
            self.assertEqual(client.ask(command, 0, 0), 0, command)
        self.assert_still_in_step(client)
        client = self.talking(structured=True)
        client.request(wire.CMD_READ, 0, 0)
        self.assertFalse(any(kind & 0x8000 for kind, _ in client.chunks()))
        self.assert_same(self.disk.read_bytes()[:MIB], pattern(MIB))

    # ---- Claims and vanishings ----

    def test_claimed_length_takes_no_memory(self):
        clients = [self.talking() for _ in range(64)]
        for client in clients:
            client.request(wire.CMD_WRITE, 0, LONGEST, data=b"x" * 1000)
        self.good_client()
        self.assertLessEqual(self.growth(), MEMORY_SLACK)
        more = [self.talking() for _ in range(64)]
        for client in more:
            client.request(wire.CMD_WRITE, 0, LIMIT, data=b"x" * 1000)
        self.good_client()
        self.assertLessEqual(self.growth(), 2 * MEMORY_SLACK)

    def vanishing(self, times):
        """So many talking clients, each with a way to vanish; over tcp some do so with RST."""
        for number in range(times):
            client = self.talking()
            yield client, client.reset if number % 2 else client.close

    def test_cut_off_payload(self):
        lengths = (0, 1, 511, 4095, 100_000, MIB - 1)
        for (client, vanish), length in zip(self.vanishing(2 * len(lengths)), sorted(lengths * 2)):
            client.request(wire.CMD_WRITE, 8 * MIB, MIB, data=b"x" * length)
            vanish()
        # Nothing of a payload that never came whole is written.
        reader = self.talking()
        self.assert_same(reader.ask(wire.CMD_READ, 8 * MIB, MIB), bytes(MIB))

    def test_clients_that_vanish_mid_payload_again_and_again(self):
        for client, vanish in self.vanishing(40):
            client.request(wire.CMD_WRITE, 0, LIMIT, data=bytes(LIMIT // 2))
            vanish()

    def test_cut_off_request(self):
        for (client, vanish), length in zip(self.vanishing(2 * 28), sorted([*range(28)] * 2)):
            client.send(wire.request(wire.CMD_READ, 0, 512)[:length])
            vanish()

    def test_client_that_vanishes_with_replies_on_the_way(self):
        for client, vanish in self.vanishing(100):
            client.send(b"".join(wire.request(wire.CMD_READ, 0, MIB, cookie=cookie) for cookie in range(64)))
            vanish()

    def test_disconnect_with_requests_in_flight(self):
        client = self.talking()
        client.send(b"".join(wire.request(wire.CMD_READ, 0, 4096, cookie=cookie) for cookie in range(64))
                    + wire.request(wire.CMD_DISC))
        self.assert_dropped(client)

    def test_a_client_with_a_small_window_gets_whole_replies(self):
        wanted = self.disk.read_bytes()
        ranges = [(MIB // 2 + i * 4096 + i, length) for i, length in enumerate([1, 512, 65_536, MIB, 5 * MIB, 70_001, 3] * 2)]
        for name in ("disk", "copied"):
            for structured in (False, True):
                client = self.talking(name, structured, window=4096)
                client.send(b"".join(wire.request(wire.CMD_READ, *range_, cookie=cookie) for cookie, range_ in enumerate(ranges)))
                for _ in ranges:
                    cookie, data = self.read_reply(client, ranges, structured)
                    begin, length = ranges[cookie]
                    self.assert_same(data, wanted[begin:begin + length], (name, structured, begin, length))

    def read_reply(self, client, ranges, structured):
        """The next reply to one of several reads: its cookie, and its data."""
        if not structured:
            magic, error, cookie = struct.unpack(">IIQ", client.receive(16))
            self.assertEqual((magic, error), (wire.SIMPLE_REPLY_MAGIC, 0))
            return cookie, client.receive(ranges[cookie][1])
        cookie, = struct.unpack(">8xQ", client.peek(16))
        begin, length = ranges[cookie]
        data = bytearray(length)
        for kind, payload in client.chunks(cookie):
            at = struct.unpack(">Q", payload[:8])[0] - begin if payload else 0
            if kind == 1:
                data[at:at + len(payload) - 8] = payload[8:]
            else:
                self.assertIn(kind, (0, 2), "neither data nor a hole")
        self.assertEqual(len(data), length)
        return cookie, bytes(data)

    def never_read(self, length, structured, name="disk", memory=0):
        """Requests without end from a client that reads no reply: the server has to stop taking them, and to have no more than `memory`
        for it."""
        client = self.talking(name, structured)
        client.socket.settimeout(2)
        part = b"".join(wire.request(wire.CMD_READ, cookie % 256 * 4096, length, cookie=cookie) for cookie in range(1000))
        sent = 0
        try:
            while sent < 200 << 20:
                sent += client.socket.send(part)
        except TimeoutError:
            pass
        self.assertLess(sent, 200 << 20, "the server takes requests without end")
        self.good_client()
        self.assertLessEqual(self.growth(), memory + MEMORY_SLACK)

    def test_client_that_reads_no_small_replies(self):
        self.never_read(512, False)

    def test_client_that_reads_no_large_replies(self):
        self.never_read(MIB, False, memory=MEMORY)

    def test_client_that_reads_no_structured_replies(self):
        self.never_read(65536, True)

    def test_client_that_reads_no_copied_replies(self):
        for length in (65536, MIB):
            self.never_read(length, False, "copied", MEMORY)

    def test_client_that_reads_no_replies_from_the_disk(self):
        self.need_direct()
        for length in (65536, MIB):
            self.never_read(length, False, "direct", MEMORY)


if __name__ == "__main__":
    main()
