"""The advice of `ashlar trace report`: what clients and layers do wrong is told with its figure, and nothing else is."""

import json
import random
import subprocess
import unittest

from lib.case import Case, main, skip
from lib.images import MIB
from lib.server import PROGRAM

try:
    from lib.trace_writer import TraceWriter
except ImportError:
    skip("needs xxhash for Python (python3-xxhash)")

US, MS = 1000, 1_000_000
BLOCK = 4096


class Advice(Case):
    def setUp(self):
        super().setUp()
        self.some = random.Random(1)
        self.at = MS

    def writer(self, name="above", **own):
        return TraceWriter(self.folder / f"{name}.trace").begin(run=7, tag=name, size=str(1024 * MIB), **own)

    def ask(self, trace, op, offset=0, length=0, took=20 * US, pause=30 * US, **own):
        """One request after the other. Returns its id."""
        start, self.at = self.at, self.at + took + pause
        return trace.request(op, offset, length, start, start + took, **own)

    def pass_on(self, trace, ident, op, offset=0, length=0, took=10 * US, before=60 * US, **own):
        """What came below of the request that was asked last, so long before the time that has come."""
        start = self.at - before
        trace.request(op, offset, length, start, start + took, ident=ident, **own)

    def somewhere(self):
        return self.some.randrange(200_000) * BLOCK

    def advice(self, *traces):
        """[(place, text)]"""
        done = subprocess.run([PROGRAM, "trace", "report", "--json", *(trace.end() for trace in traces)], capture_output=True,
                              text=True, timeout=600, check=True)
        return [(one["place"], one["text"]) for one in json.loads(done.stdout)["advice"]]

    def only(self, regex, *traces, place="above"):
        told = self.advice(*traces)
        self.assertEqual(len(told), 1, told)
        self.assertEqual(told[0][0], place)
        self.assertRegex(told[0][1], regex)

    # What clients do well.

    def test_nothing_is_said_of_a_client_that_does_well(self):
        trace = self.writer(payload="data")
        for number in range(2000):
            if number % 40 == 39:
                self.ask(trace, "flush", took=2 * MS)
            elif number % 3 == 0:
                self.ask(trace, "write", self.somewhere(), BLOCK, data=b"x" * BLOCK, flags=("fua",) if number % 100 == 0 else ())
            elif number % 7 == 0:
                self.ask(trace, "trim", self.somewhere(), 16 * BLOCK)
            else:
                self.ask(trace, "read", self.somewhere(), 2 * BLOCK, data=b"y" * 2 * BLOCK)
        self.assertEqual(self.advice(trace), [])

    def test_one_write_with_fua_makes_durable(self):
        for op in "write", "zero", "trim":
            with self.subTest(op):
                trace = self.writer()
                for number in range(150):
                    self.ask(trace, op if number == 70 else "write", self.somewhere(), BLOCK, flags=("fua",) if number == 70 else ())
                self.assertEqual(self.advice(trace), [])

    # What clients do wrong.

    def test_small_writes(self):
        trace = self.writer()
        for number in range(100):
            self.ask(trace, "write", self.somewhere() + (512 if number < 37 else 0), BLOCK)
        self.ask(trace, "flush")
        self.only("^37 % of 100 writes are not on 4 KiB: put align above, or set the client's block size$", trace)

    def test_zeroes(self):
        trace = self.writer(payload="data")
        for number in range(40):
            self.ask(trace, "write", self.somewhere(), 64 * 1024, data=(b"\0" if number < 20 else b"x") * 64 * 1024)
        self.ask(trace, "flush")
        self.only("^50 % of 2621440 bytes written are zeroes: have the client detect zeroes and use zero or trim$", trace)

    def test_a_flush_for_each_write(self):
        trace = self.writer()
        for _ in range(60):
            self.ask(trace, "write", self.somewhere(), BLOCK)
            self.ask(trace, "flush", took=3 * MS)
        self.only(r"^there are 60 flushes for 60 writes, of 3.0\d ms each \(p50\): see whether the client may flush less often$", trace)

    def test_what_zeroes_and_trims_is_worth_a_flush(self):
        trace = self.writer()
        for number in range(600):
            self.ask(trace, ("zero", "trim")[number % 2], self.somewhere(), BLOCK)
            if number % 10 == 9:
                self.ask(trace, "flush")
        self.assertEqual(self.advice(trace), [])

    def test_flushes_of_nothing(self):
        trace = self.writer()
        for _ in range(30):
            for _ in range(5):
                self.ask(trace, "write", self.somewhere(), BLOCK)
            for _ in range(3):
                self.ask(trace, "flush")
        self.only("^60 of 90 flushes came when nothing had been changed since the one before: have the client leave them out$", trace)

    def test_a_flush_behind_what_another_client_flushed_meanwhile(self):
        """Two clients write and flush by turns: the write of one is under way when the flush of the other begins, which it misses."""
        trace = self.writer()
        for _ in range(60):
            at = self.at
            for client in (1, 2):
                write, flush = at + client * 30 * US, at + client * 30 * US + 50 * US
                trace.request("write", self.somewhere(), BLOCK, write, write + 50 * US, connection=client)
                trace.request("flush", 0, 0, flush, flush + 20 * US, connection=client)
            self.at += MS
        self.only("^there are 120 flushes for 120 writes", trace)

    def test_fua_with_each_write(self):
        trace = self.writer()
        for _ in range(50):
            self.ask(trace, "write", self.somewhere(), BLOCK, flags=("fua",))
        self.only("^50 of 50 writes have FUA, so that each waits until it is durable: see whether the client may write several and "
                  "then flush$", trace)

    def test_no_flush(self):
        trace = self.writer()
        for _ in range(150):
            self.ask(trace, "write", self.somewhere(), BLOCK)
        self.only("^there are 150 writes and no flush: nothing that was written is known to be durable$", trace)

    def test_small_and_sequential(self):
        for op in "read", "write":
            trace = self.writer()
            for number in range(200):
                self.ask(trace, op, number * BLOCK, BLOCK)
            self.ask(trace, "flush")
            self.only(f"^100 % of 200 {op}s go on where the last one ended, with 4096 bytes each: larger requests would be fewer$", trace)

    def test_trims_that_free_nothing(self):
        trace = self.writer()
        for number in range(40):
            self.ask(trace, "trim", self.somewhere() + 512, BLOCK if number < 30 else 3 * BLOCK)
        self.only("^30 of 40 trims have no whole block of 4 KiB in them, and may free nothing: have the client trim more at once$", trace)

    def test_the_same_is_read_again_and_again(self):
        trace = self.writer()
        for _ in range(2000):
            self.ask(trace, "read", self.some.randrange(64) * 16 * BLOCK, 16 * BLOCK)
        self.only("^131072000 bytes of reads are of 4194304 bytes of the disk: put cache above, or give the client more memory$", trace)

    def test_one_after_the_other(self):
        trace = self.writer()
        for _ in range(1500):
            self.ask(trace, "read", self.somewhere(), 16 * BLOCK, took=100 * US, pause=5 * US)
        self.only("^of 1500 reads and writes never two were under way, and one was for 95 % of the time: a client that asks for several "
                  "at once has to wait less$", trace)

    def test_errors(self):
        trace = self.writer()
        for number in range(100):
            self.ask(trace, "read", self.somewhere(), BLOCK, result=5 if number < 3 else 0)
        self.only("^3 of 100 requests to read failed with EIO: ashlar trace show --failed lists them$", trace)

    # What layers do.

    def test_a_cache_that_serves_is_not_slow(self):
        above, below = self.writer(), self.writer("below")
        for number in range(4000):
            missed = number % 100 == 0
            same = self.ask(above, "read", self.some.randrange(4000) * BLOCK, BLOCK, took=(60 if missed else 20) * US)
            if missed:
                self.pass_on(below, same, "read", 0, BLOCK, took=40 * US, before=80 * US)
        self.assertEqual(self.advice(above, below), [])

    def test_what_is_lost_is_a_part_of_all_the_time(self):
        above, below = self.writer(), self.writer("below")
        for number in range(400):  # most of the time is that of the hits
            missed = number % 10 == 0
            same = self.ask(above, "read", self.somewhere(), BLOCK, took=(400 if missed else 90) * US)
            if missed:
                self.pass_on(below, same, "read", 0, BLOCK, took=100 * US, before=390 * US)
        self.assertEqual(self.advice(above, below), [])

    def test_a_cache_whose_hits_are_slower_than_the_disk_is(self):
        above, below = self.writer(), self.writer("below")
        for number in range(400):
            missed = number % 10 == 0
            same = self.ask(above, "read", self.somewhere(), BLOCK, took=900 * US)
            if missed:
                self.pass_on(below, same, "read", 0, BLOCK, took=40 * US, before=80 * US)
        self.only('of it in 400 reads, .* each: the slow layer is between the two$', above, below)

    def test_reading_ahead_is_no_small_write(self):
        above, below = self.writer(), self.writer("below")
        for _ in range(300):
            same = self.ask(above, "read", self.somewhere(), BLOCK, took=100 * US)
            self.pass_on(below, same, "read", 0, 32 * BLOCK, took=20 * US, before=110 * US)
        self.only("the slow layer is between the two$", above, below)

    def test_a_flush_that_writes_a_cache_back_is_no_small_write(self):
        above, below = self.writer(), self.writer("below")
        for _ in range(30):
            for _ in range(20):
                self.ask(above, "write", self.somewhere(), BLOCK, took=5 * US)
            same = self.ask(above, "flush", took=10 * MS)
            for number in range(20):
                self.pass_on(below, same, "write", self.somewhere(), BLOCK, took=100 * US, before=9 * MS - number * 150 * US)
            self.pass_on(below, same, "flush", took=MS, before=2 * MS)
        told = self.advice(above, below)
        self.assertFalse([text for _, text in told if "whole blocks" in text or "bytes at" in text], told)

    def test_blocks_of_a_layer_that_are_larger_than_the_clients(self):
        above, below = self.writer(), self.writer("below")
        for number in range(50):
            same = self.ask(above, "write", self.somewhere(), BLOCK, took=10 * MS)
            for op in "read", "write":
                self.pass_on(below, same, op, 0, 16 * BLOCK, took=MS, before=5 * MS)
        self.ask(above, "flush")
        told = " ".join(text for place, text in self.advice(above, below))
        self.assertIn("smaller than the blocks of a layer between the two", told)
        self.assertNotIn("4096", told.replace(f"{50 * BLOCK} bytes", ""))
        self.assertNotIn("align", told)

    def test_more_is_written_below(self):
        for offset, length, what, why in (
                (0, BLOCK, ("read", "write"), "a layer between the two has larger blocks: have the client ask for more at once, or give "
                                              "that layer smaller blocks"),
                (512, 512, ("read", "write"), "they are no whole blocks: set the client's block size, a file system's to 4096"),
                (0, BLOCK, ("write", "write"), "a layer between the two makes more of them than it is asked to write")):
            with self.subTest(why):
                above, below = self.writer(), self.writer("below")
                for _ in range(50):
                    at = self.somewhere()
                    same = self.ask(above, "write", at + offset, length)
                    for op in what:
                        self.pass_on(below, same, op, at, 4 * BLOCK, took=9 * US, before=49 * US)
                same = self.ask(above, "flush")
                self.pass_on(below, same, "flush", took=18 * US, before=49 * US)
                told = [text for place, text in self.advice(above, below) if place == "above"]
                self.assertEqual(told[0], f'{50 * length} bytes of writes at "above" became {50 * 8 * BLOCK} bytes at "below": {why}')

    def test_what_a_layer_fills_up_with_zeroes_is_not_the_clients(self):
        above, below = self.writer(payload="data"), self.writer("below", payload="data")
        for _ in range(600):
            offset = self.somewhere()
            same = self.ask(above, "write", offset + 512, 512, data=b"x" * 512)
            self.pass_on(below, same, "read", offset, BLOCK, data=bytes(BLOCK), took=2 * US, before=45 * US)
            self.pass_on(below, same, "write", offset, BLOCK, data=bytes(512) + b"x" * 512 + bytes(3072), took=2 * US, before=42 * US)
        same = self.ask(above, "flush")
        self.pass_on(below, same, "flush", took=18 * US, before=49 * US)
        told = self.advice(above, below)
        self.assertFalse([text for _, text in told if "zeroes" in text], told)
        self.assertFalse([text for place, text in told if place == "below"], told)

    def test_what_the_client_does_wrong_is_said_once(self):
        above, below = self.writer(), self.writer("below")
        for _ in range(60):
            offset = self.somewhere()
            same = self.ask(above, "write", offset + 512, BLOCK)
            self.pass_on(below, same, "write", offset + 512, BLOCK, took=18 * US, before=49 * US)
            same = self.ask(above, "flush")
            self.pass_on(below, same, "flush", took=18 * US, before=49 * US)
        self.assertEqual([place for place, _ in self.advice(above, below)], ["above"] * 2)

    def test_a_layer_that_shifts_blocks(self):
        above, below = self.writer(), self.writer("below")
        for _ in range(50):
            offset = self.somewhere()
            same = self.ask(above, "write", offset, BLOCK)
            self.pass_on(below, same, "write", offset + 63 * 512, BLOCK, took=18 * US, before=49 * US)
        self.ask(above, "flush")
        self.only('^100 % of 50 writes are not on 4 KiB, and 0 % at "above": a layer between the two shifts or cuts them$', above, below,
                  place="below")

    def test_a_layer_that_loses_flushes(self):
        above, below = self.writer(), self.writer("below")
        for number in range(150):
            offset = self.somewhere()
            same = self.ask(above, "write", offset, BLOCK)
            self.pass_on(below, same, "write", offset, BLOCK, took=18 * US, before=49 * US)
            if number % 10 == 9:
                self.ask(above, "flush", took=US)
        self.only('^there are 150 writes and no flush, but 15 at "above": a layer between the two keeps them$', above, below,
                  place="below")


if __name__ == "__main__":
    main()
