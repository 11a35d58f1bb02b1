"""Sins of transmission, one per test."""

import random
import struct

from household import MEMORY_SLACK, MIB, SIZE, Household, main, pattern, wire

LONGEST = (1 << 32) - 1  # bytes, as the wire can claim
LIMIT = 64 * MIB         # largest read or write that is answered
TOP = (1 << 64) - 1
KNOWN_FLAGS = 0x1F


class Requests(Household):
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
        magic, = struct.unpack(">I", client.socket.recv(4, 2))  # MSG_PEEK
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

    def test_cut_off_payload(self):
        for length in (0, 1, 511, 4095, 100_000, MIB - 1):
            client = self.talking()
            client.request(wire.CMD_WRITE, 8 * MIB, MIB, data=b"x" * length)
            client.close()
        # Nothing of a payload that never came whole is written.
        reader = self.talking()
        self.assert_same(reader.ask(wire.CMD_READ, 8 * MIB, MIB), bytes(MIB))

    def test_clients_that_vanish_mid_payload_again_and_again(self):
        for _ in range(40):
            client = self.talking()
            client.request(wire.CMD_WRITE, 0, LIMIT, data=bytes(LIMIT // 2))
            client.close()

    def test_cut_off_request(self):
        for length in range(28):
            client = self.talking()
            client.send(wire.request(wire.CMD_READ, 0, 512)[:length])
            client.close()

    def test_client_that_vanishes_with_replies_on_the_way(self):
        for _ in range(100):
            client = self.talking()
            client.send(b"".join(wire.request(wire.CMD_READ, 0, MIB, cookie=cookie) for cookie in range(64)))
            client.close()

    def test_disconnect_with_requests_in_flight(self):
        client = self.talking()
        client.send(b"".join(wire.request(wire.CMD_READ, 0, 4096, cookie=cookie) for cookie in range(64))
                    + wire.request(wire.CMD_DISC))
        self.assert_dropped(client)

    def never_read(self, length, structured):
        """Requests without end from a client that reads no reply: the server has to stop taking them."""
        client = self.talking(structured=structured)
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
        self.assertLessEqual(self.growth(), 256 * MIB + MEMORY_SLACK)

    def test_client_that_reads_no_small_replies(self):
        self.never_read(512, False)

    def test_client_that_reads_no_large_replies(self):
        self.never_read(MIB, False)

    def test_client_that_reads_no_structured_replies(self):
        self.never_read(65536, True)


if __name__ == "__main__":
    main()
