"""`ashlar trace export`: each format is read back by the tool that it is for."""

import collections
import csv
import errno
import json
import random
import re
import shutil
import struct
import subprocess
import unittest

from lib import config, libnbd, processes
from lib.case import Case, main, skip
from lib.images import MIB
from lib.server import PROGRAM

try:
    from lib.trace_writer import TraceWriter
except ImportError:
    skip("needs xxhash for Python (python3-xxhash)")

KEYS = ["id", "connection", "export", "place", "op", "flags", "offset", "length", "start", "done", "sent", "result", "depth", "run"]


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), f"needs {tool}")


def run(*words, **own):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=600, check=False, **own)
    assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


class Export(Case):
    def trace(self, *words, code=0):
        done = subprocess.run([PROGRAM, "trace", *map(str, words)], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def exported(self, trace, to, *words, unsaid=""):
        """The file in the format `to`; what the format cannot say is told in one line."""
        path = self.folder / f"out.{to}"
        told = self.trace("export", trace, "--to", to, "-o", path, *words)
        self.assertEqual(told.stdout, "")
        self.assertEqual(told.stderr, f"ashlar: trace: export: {to} cannot say: {unsaid}\n" if unsaid else "")
        return path

    def shown(self, trace):
        return [json.loads(line) for line in self.trace("show", "--json", trace).stdout.splitlines()]

    def traced(self, work, size=4 * MIB, **own):
        """What a server's filter writes while `work` is done."""
        image = self.sparse_file("disk.img", size)
        server = self.serve([config.file_export(image, filters=[{"type": "trace", "path": "disk.trace", "tag": "above", **own}])])
        handle = libnbd.connect(server.uri("disk"))
        work(handle)
        handle.shutdown()
        server.stop()
        return self.folder / "disk.trace"

    def all_ops(self, handle):
        some = random.Random(3)
        for _ in range(60):
            offset, length = some.randrange(2048) * 512, some.randrange(1, 65) * 512
            fua = libnbd.nbd.CMD_FLAG_FUA if some.random() < 0.3 else 0
            handle.pwrite(some.randbytes(length), offset, fua)
            handle.pread(length, some.randrange(2048) * 512)
            handle.trim(length, some.randrange(2048) * 512)
            handle.zero(length, some.randrange(2048) * 512)
            handle.flush()

    def counts(self, trace):
        return collections.Counter(record["op"] for record in self.shown(trace))

    def fua(self, trace, *ops):
        return sum("fua" in record["flags"] and record["op"] in ops for record in self.shown(trace))

    @needs("sqlite3")
    def test_csv_is_a_table_of_sqlite(self):
        writer = TraceWriter(self.folder / "odd.trace").begin(tag='a "b", c', export="d\ne")
        writer.request("write", 512, 512, 5, 9, 11, ("fua", "may_trim"), errno.EIO, 3)
        writer.request("flush", 0, 0, 12, 13)
        trace = writer.end()
        out = self.exported(trace, "csv")
        self.assertEqual(out.read_text().splitlines()[0], ",".join(KEYS))
        table = json.loads(run("sqlite3", "-json", ":memory:", ".mode csv", f".import {out} t", ".mode json",
                               "select * from t order by cast(start as integer)"))
        wanted = [{**{key: str(value) for key, value in record.items()}, "flags": ",".join(record["flags"]),
                   "sent": "" if record["sent"] is None else str(record["sent"])} for record in self.shown(trace)]
        self.assertEqual(table, wanted)
        self.assertEqual([row["result"] for row in table], ["EIO", "ok"])
        with open(out, newline="", encoding="utf-8") as file:
            self.assertEqual(next(csv.DictReader(file))["place"], 'a "b", c')

    def test_json_is_what_show_prints(self):
        trace = self.traced(self.all_ops)
        lines = self.exported(trace, "json").read_text().splitlines()
        self.assertEqual([json.loads(line) for line in lines], self.shown(trace))
        self.assertEqual(list(json.loads(lines[0])), KEYS)
        reads = self.exported(trace, "json", "--op", "read").read_text().splitlines()
        self.assertEqual(len(reads), self.counts(trace)["read"])

    def test_a_file_of_o_is_written_whole_or_stays_as_it_was(self):
        writer = TraceWriter(self.folder / "disk.trace").begin()
        writer.request("write", 0, 512, 1, 2)
        trace = writer.end()
        before = trace.read_bytes()
        (self.folder / "link").symlink_to(trace)
        for words in (("export", "--to", "csv"), ("show",), ("report",), ("prefetch",), ("diff", trace)):
            for path in (trace, self.folder / "link"):
                self.assertIn("is the trace that is read", self.trace(*words, trace, "-o", path, code=2).stderr)
        self.assertEqual(trace.read_bytes(), before)
        told = self.trace("export", trace, "--to", "dm-log-writes", "-o", self.folder / "log", "--op", "write", code=2).stderr
        self.assertIn("--place alone goes with it", told)
        # One that fails, as the trace has no data.
        out = self.write("out", "dear")
        out.chmod(0o640)
        self.trace("export", trace, "--to", "dm-log-writes", "-o", out, code=2)
        self.assertEqual(out.read_text(), "dear")
        (self.folder / "to-out").symlink_to(out)
        self.trace("show", trace, "-o", self.folder / "to-out")
        self.assertIn("write", out.read_text())
        self.assertEqual(out.stat().st_mode & 0o777, 0o640)
        self.trace("show", trace, "-o", "/dev/null")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["disk.trace", "link", "out", "to-out"])

    def test_perfetto_has_slices_that_do_not_overlap_on_a_track(self):
        writer = TraceWriter(self.folder / "deep.trace").begin(monotonic=10**12)
        some, at = random.Random(5), 10**12
        times = []
        for _ in range(300):
            at += some.randrange(2000)
            times.append((at, at + some.randrange(5000)))
        for start, done in sorted(times, key=lambda one: one[1]):
            writer.request(some.choice(("read", "write")), 4096, 4096, start, done, done + 10, result=some.choice((0, 5)))
        trace = writer.end()
        told = json.loads(self.exported(trace, "perfetto").read_text())
        self.assertEqual(told["displayTimeUnit"], "ns")
        tracks, names = collections.defaultdict(list), {}
        for event in told["traceEvents"]:
            self.assertIn(event["ph"], ("X", "M"))
            self.assertIsInstance(event["pid"], int)
            self.assertIsInstance(event["tid"], int)
            if event["ph"] == "M":
                self.assertIn(event["name"], ("process_name", "thread_name"))
                names[event["name"], event["pid"], event["tid"]] = event["args"]["name"]
            else:
                self.assertGreaterEqual(event["dur"], 0)
                tracks[event["pid"], event["tid"]].append(event)
        self.assertEqual(names["process_name", 1, 0], "disk above")
        for (pid, tid), events in tracks.items():
            self.assertIn("connection 1", names["thread_name", pid, tid])
            for before, after in zip(events, events[1:]):
                self.assertLessEqual(round(before["ts"] + before["dur"], 3), after["ts"])
        records = self.shown(trace)
        first = records[0]["start"]
        found = sorted((event for track in tracks.values() for event in track), key=lambda one: one["args"]["id"])
        for event, record in zip(found, sorted(records, key=lambda one: one["id"]), strict=True):
            self.assertEqual((event["name"], event["args"]["result"]), (record["op"], record["result"]))
            self.assertEqual(round(event["ts"] * 1000), record["start"] - first)
            self.assertEqual(round(event["dur"] * 1000), record["done"] - record["start"])
        self.assertGreater(len(tracks), 1)

    @needs("fio")
    def test_fio_replays_reads_writes_and_flushes(self):
        trace = self.traced(self.all_ops)
        counts = self.counts(trace)
        out = self.exported(trace, "fio", unsaid=f"{self.fua(trace, 'write', 'read')} FUA flags; "
                            f"{counts['trim']} trims, left out; {counts['zero']} zeroes, left out")
        target = self.sparse_file("target.img", 4 * MIB)
        told = run("fio", "--name=x", f"--read_iolog={out}", "--ioengine=psync", f"--replay_redirect={target}",
                   "--output-format=json", cwd=self.folder)
        job = json.loads(told[told.index("{"):])["jobs"][0]
        self.assertEqual(job["error"], 0)
        records = self.shown(trace)
        for op in ("read", "write"):
            self.assertEqual(job[op]["total_ios"], counts[op])
            self.assertEqual(job[op]["io_bytes"], sum(r["length"] for r in records if r["op"] == op))
        times = [int(line.split()[0]) for line in out.read_text().splitlines()[1:]]
        self.assertEqual(times[0], 1)
        self.assertEqual(times, sorted(times))
        syncs = [line for line in out.read_text().splitlines() if line.split()[2] == "sync"]
        self.assertEqual(len(syncs), counts["flush"])

    @needs("blkparse")
    def test_blkparse_and_btt_read_it(self):
        writer = TraceWriter(self.folder / "block.trace").begin()
        ms = 10**6
        writer.request("write", 1000, 24, 3 * ms, 4 * ms, flags=("fua",))
        writer.request("read", 4096, 8192, 2 * ms, 5 * ms, result=errno.EIO)
        writer.request("flush", 0, 0, 6 * ms, 7 * ms)
        writer.request("trim", MIB, 5 << 30, 8 * ms, 9 * ms)
        writer.request("zero", MIB, 512, 10 * ms, 11 * ms)
        writer.request("cache", MIB, 512, 12 * ms, 13 * ms)
        trace = writer.end()
        out = self.exported(trace, "blktrace", unsaid="1 caches, left out; 1 requests of 4 GiB or more, cut; 1 requests "
                            "that are not on 512 bytes, made larger; 1 zeroes, which look like writes")
        with open(out, "rb") as file:
            told = run("blkparse", "-i", "-", "-d", self.folder / "dump", "-f", "%T.%9t %a %d %S %n %e\\n", stdin=file)
        events = [line.split() for line in told.splitlines()]
        events = [(a, d, int(s), int(n), int(e), t) for t, a, d, s, n, e in (one for one in events if len(one) == 6)
                  if a in "QDC"]
        self.assertEqual([one[:5] for one in events if one[0] in "QC"], [
            ("Q", "R", 8, 16, 0), ("Q", "WF", 1, 1, 0), ("C", "WF", 1, 1, 0), ("C", "R", 8, 16, errno.EIO),
            ("Q", "FN", 0, 0, 0), ("C", "FN", 0, 0, 0), ("Q", "D", 2048, 2**23 - 1, 0), ("C", "D", 2048, 2**23 - 1, 0),
            ("Q", "W", 2048, 1, 0), ("C", "W", 2048, 1, 0)])
        self.assertEqual([one[0] for one in events].count("D"), 5)
        self.assertEqual([round(float(one[5]) * 1000, 3) for one in events if one[0] in "QC"],
                         [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        told = run("btt", "-i", self.folder / "dump", cwd=self.folder)
        self.assertRegex(told, r"Q2C +0\.001000000 +0\.001500000 +0\.003000000 +4\n")

    def read_log(self, path):
        """A second reader of dm-log-writes' layout: [(first sector, sectors, flags, data)]."""
        whole = path.read_bytes()
        magic, version, count, sector = struct.unpack_from("<QQQI", whole)
        self.assertEqual((magic, version, sector), (0x6A736677736872, 1, 512))
        at, entries = sector, []
        for _ in range(count):
            first, sectors, flags, data_bytes = struct.unpack_from("<QQQQ", whole, at)
            self.assertEqual(data_bytes, 0)
            at += sector
            data = b""
            if not flags & 4:
                data = whole[at:at + sectors * sector]
                self.assertEqual(len(data), sectors * sector)
                at += len(data)
            entries.append((first, sectors, flags, data))
        self.assertEqual(at, len(whole))
        return entries

    def test_dm_log_writes_leads_to_the_disk_that_was(self):
        def work(handle):
            self.all_ops(handle)
            handle.zero(MIB, 2 * MIB)
        trace = self.traced(work, payload="data")
        disk = bytearray(4 * MIB)
        for first, sectors, flags, data in self.read_log(self.exported(trace, "dm-log-writes")):
            disk[first * 512:(first + sectors) * 512] = bytes(sectors * 512) if flags & 4 else data
        self.assert_same(bytes(disk), (self.folder / "disk.img").read_bytes())

    def test_dm_log_writes_has_what_is_durable_in_order(self):
        writer = TraceWriter(self.folder / "order.trace").begin(payload="data")
        us = 1000

        def write(letter, sector, start, done, *flags):
            writer.request("write", sector * 512, 512, start * us, done * us, flags=flags, data=letter * 512)
        write(b"a", 1, 1, 2)
        write(b"b", 2, 1, 3)
        write(b"c", 2, 4, 5, "fua")  # over b, which must come before it
        writer.request("flush", 0, 0, 9 * us, 10 * us)  # began after the next one, and after d
        write(b"d", 4, 6, 7)
        write(b"e", 5, 6, 11)  # under way when the flushes began
        writer.request("flush", 0, 0, 6 * us, 12 * us)
        writer.request("trim", 1000, 2048, 13 * us, 14 * us)
        writer.request("write", 7, 512, 15 * us, 16 * us, data=b"x" * 512)
        writer.request("write", 512, 512, 15 * us, 16 * us, data=b"x" * 512, result=errno.EIO)
        trace = writer.end()
        out = self.exported(trace, "dm-log-writes", unsaid="1 requests that failed, left out; 1 writes that are not on 512 "
                            "bytes, left out")
        found = [(first, sectors, flags, data[:1]) for first, sectors, flags, data in self.read_log(out)]
        self.assertEqual(found, [(2, 1, 0, b"b"), (2, 1, 2, b"c"), (1, 1, 0, b"a"), (4, 1, 0, b"d"), (0, 0, 1, b""),
                                 (0, 0, 1, b""), (5, 1, 0, b"e"), (2, 3, 4, b"")])

    def test_what_cannot_serve_is_refused(self):
        writer = TraceWriter(self.folder / "two.trace").begin(tag="above")
        writer.request("write", 0, 512, 1, 2)
        writer.begin(tag="below", run=2)
        writer.request("write", 0, 512, 1, 2)
        writer.dropped(7)
        two = writer.end()
        for words, part in (
                ((two, "--to", "fio"), '"above" of export "disk" and "below" of export "disk"; name one file, or choose'),
                ((two, "--to", "xml"), '--to: "xml" is none of csv, json, perfetto, fio, blktrace, dm-log-writes and nbdkit'),
                ((two,), "--to is required"),
                ((two, "--to", "dm-log-writes"), "needs -o FILE"),
                ((two, "--to", "dm-log-writes", "--place", "above", "-o", self.folder / "x"), "the trace has no data")):
            with self.subTest(words):
                self.assertIn(part, self.trace("export", *words, code=2).stderr)
        told = self.trace("export", two, "--to", "fio", "--place", "below")
        self.assertIn("7 requests were dropped", told.stderr)
        writer = TraceWriter(self.folder / "dropped.trace").begin(payload="data")
        writer.request("write", 0, 512, 1, 2, data=bytes(512))
        writer.dropped(3)
        out = self.folder / "log"
        told = self.trace("export", writer.end(), "--to", "dm-log-writes", "-o", out, code=2)
        self.assertIn("dm-log-writes needs a whole trace: 3 requests were dropped", told.stderr)
        self.assertFalse(out.exists())
        garbage = self.write("garbage", "x" * 10000)
        self.assertIn("garbage: offset 0: this is no trace", self.trace("export", garbage, "--to", "csv", code=1).stderr)

    def lines_of_nbdkit(self, work):
        log = self.folder / "nbdkit.log"
        socket = self.folder / "nbdkit.sock"
        kit = processes.start(["nbdkit", "-f", "-U", str(socket), "--filter=log", "memory", "4M", f"logfile={log}"])
        try:
            for _ in range(3000):
                if socket.exists():
                    break
                kit.poll()
                self.assertIsNone(kit.returncode)
                subprocess.run(["sleep", "0.02"], check=True)
            handle = libnbd.connect(f"nbd+unix:///disk?socket={socket}")
            work(handle)
            handle.shutdown()
        finally:
            kit.terminate()
            kit.wait(600)
        return log.read_text().splitlines()

    @needs("nbdkit")
    def test_nbdkit_writes_the_same_lines(self):
        trace = self.traced(self.all_ops)
        mine = self.exported(trace, "nbdkit", unsaid="1 ends of connections, left out").read_text().splitlines()
        theirs = [line for line in self.lines_of_nbdkit(self.all_ops) if re.search(r"Connect|[a-z] id=", line)]
        theirs = [line for line in theirs if "Preconnect" not in line and "Extents" not in line]

        def bare(line):
            line = re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} ", "TIME ", line)
            return re.sub(r"(minsize|prefsize|maxsize|extents|cache)=\w+", r"\1=", line)
        self.assertTrue(theirs)
        self.assertEqual([bare(line) for line in mine], [bare(line) for line in theirs])

    def test_nbdkit_has_errors_by_name(self):
        writer = TraceWriter(self.folder / "errors.trace").begin()
        writer.request("zero", 512, 1024, 1000, 2000, flags=("may_trim", "fast"), result=errno.ENOSPC)
        lines = self.exported(writer.end(), "nbdkit", unsaid="1 ends of connections, left out").read_text().splitlines()
        self.assertEqual([line.split(" ", 2)[2] for line in lines[1:]], [
            "connection=1 Zero id=1 offset=0x200 count=0x400 trim=1 fua=0 fast=1 ...",
            "connection=1 ...Zero id=1 return=-1 error=ENOSPC"])

    def test_runs_follow_each_other_in_time(self):
        writer = TraceWriter(self.folder / "runs.trace").begin(run=1, realtime=10**18, monotonic=5 * 10**12)
        writer.request("flush", 0, 0, 5 * 10**12, 5 * 10**12 + 7000)
        writer.begin(run=2, realtime=10**18 + 10**9, monotonic=3 * 10**9)  # the machine was started anew
        writer.request("flush", 0, 0, 3 * 10**9, 3 * 10**9 + 1000)
        trace = writer.end()
        lines = self.exported(trace, "fio").read_text().splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:] if "sync" in line], ["1", "1000001"])


if __name__ == "__main__":
    main()
