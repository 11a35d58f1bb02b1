"""Sins of the handshake, one per test."""

import random
import struct

from household import MEMORY_SLACK, Household, main, wire

UNKNOWN_OPTION = 4000


class Handshake(Household):
    def test_random_bytes_instead_of_a_handshake(self):
        for seed in range(200):
            client = self.client()
            try:
                client.send(random.Random(seed).randbytes(random.Random(seed).randrange(1, 5000)))
            except wire.Closed:
                pass
            client.close()

    def test_random_bytes_after_the_greeting(self):
        for seed in range(200):
            client = self.client()
            client.greet()
            try:
                client.send(random.Random(seed).randbytes(2000))
                client.is_closed()
            except wire.Closed:
                pass
            client.close()

    def test_unknown_client_flags(self):
        client = self.client()
        client.greet(0x80000001)
        self.assert_dropped(client)

    def test_wrong_option_magic(self):
        client = self.client()
        client.greet()
        client.option_head(wire.OPT_LIST, 0, magic=wire.IHAVEOPT + 1)
        self.assert_dropped(client)

    def test_unknown_option(self):
        client = self.client()
        client.greet()
        for data in (b"", b"x" * 1000):
            self.assertEqual(client.option(UNKNOWN_OPTION, data)[-1][0], wire.REP_ERR_UNSUP)
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)

    def test_starttls_is_answered_and_the_talk_goes_on(self):
        client = self.client()
        client.greet()
        self.assertEqual(client.option(wire.OPT_STARTTLS)[-1][0], wire.REP_ERR_UNSUP)
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)

    def test_over_long_option(self):
        client = self.client()
        client.greet()
        data = bytes(8 << 20)
        for option in (wire.OPT_GO, wire.OPT_LIST, wire.OPT_SET_META_CONTEXT, UNKNOWN_OPTION):
            client.option_head(option, len(data))
            client.send(data)
            self.assertTrue(client.option_reply(option)[0] & 0x80000000, option)
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)

    def test_claimed_length_of_an_option_takes_no_memory(self):
        clients = [self.client() for _ in range(64)]
        for number, client in enumerate(clients):
            client.greet()
            client.option_head(UNKNOWN_OPTION if number % 2 else wire.OPT_GO, 0xFFFFFFFF)
            client.send(bytes(1000))
        self.good_client()
        self.assertLessEqual(self.growth(), MEMORY_SLACK)
        for client in clients:
            client.close()

    def test_cut_off_option(self):
        whole = struct.pack(">QII", wire.IHAVEOPT, wire.OPT_GO, 10) + wire.go_data("disk")
        for length in range(len(whole)):
            client = self.client()
            client.greet()
            client.send(whole[:length])
            client.close()

    def test_cut_off_greeting(self):
        for length in range(4):
            client = self.client()
            client.receive(18)
            client.send(bytes(length))
            client.close()

    def test_lengths_inside_an_option_that_do_not_add_up(self):
        client = self.client()
        client.greet()
        for data in (b"", b"\0" * 5, struct.pack(">I", 0xFFFFFFFF) + b"\0\0", struct.pack(">I4sHH", 4, b"disk", 0, 3),
                     struct.pack(">I4sH", 4, b"disk", 9), struct.pack(">I4sH", 5, b"disk", 0)):
            self.assertEqual(client.option(wire.OPT_GO, data)[-1][0], wire.REP_ERR_INVALID, data)
        self.assertEqual(client.option(wire.OPT_LIST, b"surplus")[-1][0], wire.REP_ERR_INVALID)
        self.assertEqual(client.option(wire.OPT_STRUCTURED_REPLY, b"surplus")[-1][0], wire.REP_ERR_INVALID)
        self.assertEqual(client.option(wire.OPT_STRUCTURED_REPLY)[-1][0], wire.REP_ACK)
        for data in (b"", b"\0\0\0\4dis", struct.pack(">I4sI", 4, b"disk", 2), struct.pack(">I4sII", 4, b"disk", 1, 99) + b"base:"):
            self.assertEqual(client.option(wire.OPT_SET_META_CONTEXT, data)[-1][0], wire.REP_ERR_INVALID, data)
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)

    def test_meta_context_before_structured_replies(self):
        client = self.client()
        client.greet()
        data = struct.pack(">I4sII", 4, b"disk", 1, 15) + b"base:allocation"
        self.assertEqual(client.option(wire.OPT_SET_META_CONTEXT, data)[-1][0], wire.REP_ERR_INVALID)

    def test_unknown_export_by_the_oldest_option(self):
        client = self.client()
        client.greet()
        client.option_head(wire.OPT_EXPORT_NAME, 4)
        client.send(b"none")
        self.assert_dropped(client)

    def test_abort(self):
        client = self.client()
        client.greet()
        self.assertEqual(client.option(wire.OPT_ABORT)[-1][0], wire.REP_ACK)
        self.assert_dropped(client)

    def test_options_without_end(self):
        client = self.client()
        client.greet()
        head = struct.pack(">QII", wire.IHAVEOPT, wire.OPT_LIST, 0)
        client.socket.settimeout(1)
        try:
            # Nobody reads the answers; the server has to stop reading, or to hang up.
            for _ in range(10_000):
                client.send(head * 100)
        except (wire.Closed, TimeoutError):
            pass
        self.assertLessEqual(self.growth(), MEMORY_SLACK)


if __name__ == "__main__":
    main()
