"""`ashlar trace` with what takes long: its progress on a terminal, and an end by Ctrl-C."""

import fcntl
import os
import pty
import signal
import subprocess
import time

from lib import full_pipe, processes
from lib.case import Case, main, skip
from lib.server import PROGRAM

try:
    from lib.trace_writer import TraceWriter
except ImportError:
    skip("needs xxhash for Python (python3-xxhash)")

REQUESTS = 200_000  # more than are sorted at once, so that what is printed waits for what is read


class Ending(Case):
    KILLED = "ashlar: trace: top: nobody writes the trace any more, although it has no end: its server was killed\n"

    @classmethod
    def setUpClass(cls):
        cls.large = TraceWriter("").begin()
        for number in range(REQUESTS):
            cls.large.request("flush", 0, 0, number, number + 1)

    def setUp(self):
        super().setUp()
        self.large.path = self.folder / "large.trace"
        self.trace = self.large.end()

    def show(self, stderr):
        """Prints more than a pipe takes, and so goes on only when it is read."""
        shown = processes.start([PROGRAM, "trace", "show", self.trace], stdout=subprocess.PIPE, stderr=stderr)
        self.addCleanup(shown.stdout.close)
        self.addCleanup(shown.wait)
        self.addCleanup(shown.kill)
        first = shown.stdout.read(1)
        return shown, first

    def test_ctrl_c_ends_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                shown, first = self.show(subprocess.PIPE)
                shown.send_signal(number)
                self.assertEqual(shown.wait(60), -number)  # although nobody takes what it prints
                printed = first + shown.stdout.read()
                self.assertEqual(shown.stderr.read(), b"ashlar: trace: interrupted\n")
                shown.stderr.close()
                self.assertLess(printed.count(b"\n"), REQUESTS)

    def test_a_reader_that_has_enough_is_no_error(self):
        shown, _ = self.show(subprocess.PIPE)
        shown.stdout.close()  # as head does
        self.assertEqual(shown.wait(60), 0)
        self.assertEqual(shown.stderr.read(), b"")
        shown.stderr.close()

    def test_a_terminal_is_told_how_much_has_been_read(self):
        ours, theirs = pty.openpty()
        shown, _ = self.show(theirs)
        os.close(theirs)
        time.sleep(1.5)  # it has taken longer than a second now
        printed = shown.stdout.read()
        self.assertEqual(shown.wait(600), 0)
        told = b""
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            told += more
        os.close(ours)
        self.assertRegex(told, rb"\r\x1b\[Kreading: \d+ MiB")
        self.assertTrue(told.endswith(b"\r\x1b[K"), told)  # and nothing of it stays
        self.assertEqual(printed.count(b"\n"), REQUESTS)

    def hold(self, trace):
        """Locks it, as a server has it."""
        written = open(trace, "rb")
        self.addCleanup(written.close)
        fcntl.flock(written, fcntl.LOCK_EX)
        return written

    def running(self):
        """A trace of one request that a server writes: what writes it, its path, and what holds it."""
        writer = TraceWriter(self.folder / "running.trace").begin()
        writer.request("flush")
        trace = writer.end(ended=False)
        return writer, trace, self.hold(trace)

    def test_ctrl_c_ends_top_although_nobody_takes_what_it_prints(self):
        _, trace, _ = self.running()
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                reads, writes = full_pipe.make()
                top = processes.start([PROGRAM, "trace", "top", trace, "--interval", "1ms"], stdout=writes, stderr=subprocess.PIPE)
                try:
                    full_pipe.wait_until_it_waits(top)
                    top.send_signal(number)
                    self.assertEqual(top.wait(60), 0)
                    self.assertEqual(top.stderr.read(), b"")
                finally:
                    top.kill()
                    top.wait()
                    top.stderr.close()
                    os.close(reads)
                    os.close(writes)

    def test_top_ends_when_the_server_was_killed(self):
        killed = TraceWriter(self.folder / "killed.trace").begin()
        killed.request("flush")
        trace = killed.end(ended=False)
        words = [PROGRAM, "trace", "top", trace, "--interval", "10ms"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", self.KILLED))
        written = self.hold(trace)
        top = processes.start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(top.stdout.close)
        self.addCleanup(top.stderr.close)
        self.assertRegex(top.stdout.readline(), b"^export +place +op ")
        written.close()
        _, err = top.communicate(timeout=600)
        self.assertEqual((top.returncode, err.decode()), (0, self.KILLED))

    def test_top_does_not_say_that_a_trace_has_ended_that_a_server_begins_anew_when_a_client_comes(self):
        writer = TraceWriter(self.folder / "before.trace").begin()
        writer.request("flush")
        trace = writer.end()
        words = [PROGRAM, "trace", "top", trace, "--interval", "10ms", "--times", "1"]
        ended = "ashlar: trace: top: the trace has ended: nobody writes it any more\n"
        for written, said in ((True, ""), (False, ended)):
            with self.subTest(written=written):
                held = self.hold(trace) if written else None
                done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, said))
                if written:
                    held.close()

    def test_top_tells_in_the_table_what_is_missing(self):
        running, trace, written = self.running()
        top = processes.start([PROGRAM, "trace", "top", trace, "--interval", "10ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(top.stdout.close)
        self.addCleanup(top.stderr.close)
        self.assertRegex(top.stdout.readline(), b"^export +place +op ")
        before = len(running.file)
        running.sequence = 4
        running.begin(run=2).request("flush")
        running.dropped(7)
        running._end_segment(ended=False)
        with open(trace, "ab") as file:
            file.write(running.file[before:])
        printed = b""
        while b"7 requests were dropped" not in printed:
            line = top.stdout.readline()
            self.assertNotEqual(line, b"", printed)
            printed += line
        written.close()
        out, err = top.communicate(timeout=600)
        self.assertIn(b"\n3 segments were written over before they could be read", printed)
        self.assertEqual(top.returncode, 0, err)
        self.assertNotIn(b"segments", err + out)

    def until_printed(self, top, wanted):
        printed = b""
        while wanted not in printed:
            line = top.stdout.readline()
            self.assertNotEqual(line, b"", printed)
            printed += line

    def test_top_goes_on_with_the_next_ring_and_with_a_trace_that_is_begun_anew(self):
        for moves in (True, False):
            _, trace, written = self.running()
            top = processes.start([PROGRAM, "trace", "top", trace, "--interval", "10ms"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            self.addCleanup(top.stdout.close)
            self.addCleanup(top.stderr.close)
            self.addCleanup(top.wait)
            self.addCleanup(top.kill)
            self.until_printed(top, b"export")
            following = TraceWriter(self.folder / "next.trace").begin(run=2)
            following.request("read", 0, 4096)
            if moves:  # as a server writes its ring out
                held = self.hold(following.end(ended=False))
                os.rename(trace, self.folder / "written.out")
                written.close()
                os.rename(following.path, trace)
            else:
                following.path, held = trace, written
                following.end(ended=False)
            self.until_printed(top, b" read ")
            held.close()
            _, err = top.communicate(timeout=600)
            self.assertEqual((top.returncode, err.decode()), (0, self.KILLED))

    def test_top_of_a_damaged_trace_fails(self):
        damaged = TraceWriter(self.folder / "damaged.trace").begin()
        damaged.request("flush")
        damaged.begin(run=2)
        damaged.request("flush")
        trace = damaged.end()
        with open(trace, "r+b") as file:
            file.write(b"x")
        done = subprocess.run([PROGRAM, "trace", "top", trace], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{trace}: offset 0: no segment begins here\n", done.stderr)

    def test_no_half_of_a_file_is_left(self):
        two = TraceWriter(self.folder / "two.trace").begin()
        two.request("flush")
        two.begin(tag="below", run=2)
        two.request("flush")
        out = self.folder / "out"
        done = subprocess.run([PROGRAM, "trace", "export", "--to", "fio", "-o", out, two.end()], capture_output=True, timeout=600,
                              check=False)
        self.assertEqual(done.returncode, 2)
        self.assertFalse(out.exists())


class Impossible(Case):
    """Whole by their checksums, and yet nothing that a server writes."""

    def test_every_command_ends_and_tells_where(self):
        most = 2**64 - 1
        trace = TraceWriter(self.folder / "odd.trace").begin(size=str(most), realtime=most, monotonic=0)
        for op in ("read", "write", "trim", "zero", "flush", "extents", "cache"):
            for offset, length in ((0, most), (most, most), (most - 4095, 4096), (2**63, 1), (2**63 - 1, 1), (0, 2**63)):
                trace.request(op, offset, length, 5, 5)
            for start, done, sent in ((0, most, 0), (most, 0, 0), (5, 5, most), (2**62, 2**62, 0), (2**62 - 1, 2**62 - 1, 2**62 - 1)):
                trace.request(op, 0, 512, start, done, sent, result=2**31 - 1)
        file = trace.end()
        for words in (["report"], ["report", "--json"], ["report", "--html"], ["show"], ["show", "--json"], ["diff", file], ["prefetch"],
                      *(["export", "--to", name] for name in ("csv", "json", "perfetto", "fio", "blktrace", "nbdkit"))):
            with self.subTest(words=words):
                done = subprocess.run([PROGRAM, "trace", words[0], file, *words[1:]], capture_output=True, timeout=120)
                self.assertEqual(done.returncode, 1, done.stderr[-1000:])
                self.assertRegex(done.stderr.decode(), rf"{file}: offset \d+: a record whose numbers cannot be")


if __name__ == "__main__":
    main()
