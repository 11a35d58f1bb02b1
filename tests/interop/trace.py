"""The filter trace with real clients, `ashlar trace`, and a second reader of the file."""

import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from lib import config, libnbd, processes
from lib.case import Case, main, skip
from lib.images import MIB
from lib.server import PROGRAM

try:
    from lib.trace_file import TraceFile, check, hashes
    from lib.trace_writer import TraceWriter
except ImportError:
    skip("needs xxhash for Python (python3-xxhash)")

LISTED = ("id", "connection", "export", "place", "op", "flags", "offset", "length", "start", "done", "sent", "result", "depth", "run")


def until(what, wanted=True):
    """Waits for what another process does; only a hang takes as long."""
    for _ in range(6000):
        if bool(what()) == wanted:
            return
        time.sleep(0.01)
    raise AssertionError("it does not come")


class Trace(Case):
    def traced(self, filters, size=16 * MIB, **own):
        image = self.sparse_file("disk.img", size)
        return self.serve([config.file_export(image, filters=filters, **own)])

    def trace(self, *words, code=0):
        done = subprocess.run([PROGRAM, "trace", *map(str, words)], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def shown(self, *words, code=0):
        return [json.loads(line) for line in self.trace("show", "--json", *words, code=code).stdout.splitlines()]

    def file(self, name="disk.trace"):
        return self.folder / name

    def agree(self, *paths):
        """Both readers say the same of files; returns what they say."""
        mine = sorted((record for path in paths for record in TraceFile(path).records), key=lambda r: r["start"])
        listed = [{**{key: r[key] for key in LISTED}, "run": f"{r['run']:016x}",
                   "result": errno.errorcode[r["result"]] if r["result"] else "ok"}
                  for r in mine]
        self.assertEqual(self.shown(*paths), listed)
        return mine

    def work(self, handle, rounds=200, seed=1):
        """Requests of all kinds; returns [(op, offset, length)]."""
        some, asked = random.Random(seed), []
        for _ in range(rounds):
            offset, length = some.randrange(2048) * 512, some.randrange(1, 65) * 512
            op = some.choice(("read", "write", "flush", "trim", "zero"))
            if op == "read":
                handle.pread(length, offset)
            elif op == "write":
                handle.pwrite(some.randbytes(length), offset, libnbd.nbd.CMD_FLAG_FUA if some.random() < 0.2 else 0)
            elif op == "flush":
                handle.flush()
                offset = length = 0
            else:
                (handle.trim if op == "trim" else handle.zero)(length, offset)
            asked.append((op, offset, length))
        return asked

    def test_each_request_has_one_record_that_two_readers_agree_on(self):
        server = self.traced([{"type": "trace", "path": "disk.trace", "tag": "above"}])
        self.assertTrue(self.file().exists())  # before a client comes
        handle = libnbd.connect(server.uri("disk"))
        asked = self.work(handle)
        with self.assertRaises(libnbd.Error):  # refused by the session, so it never comes to the layer
            handle.set_strict_mode(0)
            handle.pread(512, 1 << 40)
        handle.set_strict_mode(libnbd.nbd.STRICT_MASK)
        until(lambda: len(TraceFile(self.file()).records) == len(asked))  # while the server runs
        handle.shutdown()
        server.stop()
        records = self.agree(self.file())
        self.assertEqual([(r["op"], r["offset"], r["length"]) for r in records], asked)
        ids = [r["id"] for r in records]
        self.assertEqual(ids, sorted(set(ids)))
        for record in records:
            self.assertLessEqual(record["start"], record["done"])
            self.assertLessEqual(record["done"], record["sent"])
        one = TraceFile(self.file())
        self.assertTrue(one.ended)
        self.assertEqual(one.breaks, [])
        self.assertEqual(one.places[0]["size"], str(16 * MIB))
        self.assertEqual(one.clients[1]["pid"], str(os.getpid()))
        self.assertEqual(self.file().stat().st_mode & 0o777, 0o600)

    def test_layers_are_joined_by_run_and_id(self):
        server = self.traced([{"type": "trace", "path": "above.trace", "tag": "above"},
                              {"type": "align", "block_size": 4096},
                              {"type": "trace", "path": "below.trace", "tag": "below"}])
        handle = libnbd.connect(server.uri("disk"))
        handle.pwrite(b"x" * 512, 512)  # align reads the block and writes it
        handle.shutdown()
        server.stop()
        records = self.agree(self.file("above.trace"), self.file("below.trace"))
        self.assertEqual(len({(r["run"], r["connection"], r["id"]) for r in records}), 1)  # of one request
        self.assertNotEqual(records[0]["id"], 0)
        self.assertEqual([(r["place"], r["op"], r["length"]) for r in records],
                         [("above", "write", 512), ("below", "read", 4096), ("below", "write", 4096)])
        report = json.loads(self.trace("report", "--json", self.file("above.trace"), self.file("below.trace")).stdout)
        self.assertEqual([place["place"] for place in report["places"]], ["above", "below"])
        self.assertEqual(report["between"][0]["write"]["lower_requests"], 2)
        self.assertEqual(report["requests"], 3)
        self.assertEqual(report["dropped"], 0)

    def test_what_a_verb_of_a_layer_above_asks_is_recorded_as_of_no_client(self):
        image, control = self.sparse_file("disk.img", MIB), f"unix:{self.folder}/control.sock"
        base = self.sparse_file("base.img", MIB)
        server = self.serve([config.file_export(image, filters=[
            {"type": "cow", "scope": "export", "path": "disk.cow", "block_size": "4K"},
            {"type": "trace", "path": "above.trace", "tag": "above", "payload": "data"},
            {"type": "align", "block_size": 4096},
            {"type": "trace", "path": "below.trace", "tag": "below", "payload": "data"}])], control=control)
        handle = libnbd.connect(server.uri("disk"))
        handle.pread(4096, 0)  # not in the overlay
        for at in (4096, 12288):  # what lies together is one request
            handle.pwrite(b"x" * 4096, at)
        handle.flush()
        done = subprocess.run([PROGRAM, "control", "--control", control, "disk/cow", "commit"], capture_output=True, text=True,
                              timeout=600, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "8192 bytes committed\n"), done.stderr)
        handle.shutdown()
        server.stop()
        self.assertEqual(image.read_bytes()[4096:16384], b"x" * 4096 + bytes(4096) + b"x" * 4096)
        for tag in ("above", "below"):
            seen = TraceFile(self.file(f"{tag}.trace")).records
            of_verb = [r for r in seen if r["connection"] == 0]
            self.assertEqual([(r["offset"], r["data"]) for r in of_verb if r["op"] == "write"],
                             [(4096, b"x" * 4096), (12288, b"x" * 4096)])
            self.assertEqual([r["op"] for r in of_verb if r["op"] in ("write", "flush")], ["write", "write", "flush"])
            for r in of_verb:
                self.assertEqual((r["id"], r["sent"], r["result"]), (0, r["done"], 0))
            self.assertEqual({r["op"] for r in seen if r["connection"] != 0} - {"extents"}, {"read"})
        paths = self.file("above.trace"), self.file("below.trace")
        records = self.agree(*paths)
        self.assertEqual(TraceFile(paths[0]).clients.keys(), {1})
        self.assertEqual(self.shown(*paths, "--connection", "0"), [r for r in self.shown(*paths) if r["connection"] == 0])
        text = self.trace("show", *paths, "--connection", "0", "--op", "write").stdout.splitlines()
        self.assertEqual(len(text), 4)
        self.assertRegex(text[0], r"Z disk above #0 write offset=4096 length=4096 flags=\S+ result=ok .* id=0 ")
        # What has no id cannot be found again below, so nothing is said of it between the two.
        report = json.loads(self.trace("report", "--json", *paths).stdout)
        self.assertEqual(report["requests"], len(records))
        between = report["between"][0]
        self.assertEqual((between["read"]["upper_requests"], between["read"]["spared"]), (1, 0))
        self.assertEqual((between["write"]["upper_requests"], between["write"]["spared"]), (0, 0))
        self.assertIn('"of no client, 1"', self.trace("export", paths[0], "--to", "perfetto").stdout)
        lines = self.trace("export", paths[0], "--to", "nbdkit")
        self.assertIn("connection=0 Write id=0 offset=0x1000 count=0x1000", lines.stdout)
        self.assertIn("1 ends of connections", lines.stderr)
        for to in ("csv", "json", "fio", "blktrace"):
            self.trace("export", paths[1], "--to", to, "-o", self.file(f"other.{to}"))
        # With it the trace tells how the disk came to be what it is.
        states = self.file("states")
        self.trace("crash", paths[1], "--image", base, "--check", f"sha256sum < $image >> {states}")
        self.assertEqual(states.read_text().split()[-2], hashlib.sha256(image.read_bytes()).hexdigest())

    def test_payloads(self):
        for payload in ("hash", "data"):
            with self.subTest(payload):
                name = f"{payload}.trace"
                server = self.traced([{"type": "trace", "path": name, "payload": payload}])
                handle = libnbd.connect(server.uri("disk"))
                self.work(handle, 100)
                handle.pwrite(bytes(MIB), 1000)
                large = random.Random(2).randbytes(32 * MIB // 4)
                handle.pwrite(large, 4096)
                self.assertEqual(handle.pread(len(large), 4096), large)
                handle.shutdown()
                server.stop()
                records = self.agree(self.file(name))
                self.assertEqual(len(records), 103)
                for record in records:
                    kept = record["op"] in ("read", "write")
                    self.assertEqual("hashes" in record, kept and payload == "hash")
                    self.assertEqual("data" in record, kept and payload == "data")
                for record in records[-2:]:
                    found = record["data"] if payload == "data" else record["hashes"]
                    self.assertEqual(found, large if payload == "data" else hashes(4096, large))
                report = json.loads(self.trace("report", "--json", self.file(name)).stdout)
                self.assertGreaterEqual(report["places"][0]["zeroes_written_bytes"], MIB)

    def test_a_killed_server_leaves_all_but_the_last_second(self):
        for ring in ("0", "8M"):
            with self.subTest(ring=ring):
                image = self.sparse_file("disk.img", 16 * MIB)
                own = {"type": "trace", "path": "disk.trace", "ring": ring}
                file = self.write("kill.toml", config.toml([config.file_export(image, filters=[own])],
                                                           listen=[f"unix:{self.folder}/kill.sock"]))
                server = processes.start([PROGRAM, "serve", str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                try:
                    server.stdout.readline()
                    handle = libnbd.connect(f"nbd+unix:///disk?socket={self.folder}/kill.sock")
                    asked = self.work(handle)
                    time.sleep(1)
                finally:
                    server.kill()
                    server.wait()
                    server.stdout.close()
                left = self.file("disk.trace" if ring == "0" else "disk.trace.ring")
                records = self.agree(left)
                self.assertEqual([(r["op"], r["offset"], r["length"]) for r in records], asked)
                self.assertFalse(TraceFile(left).ended)
                if ring == "0":
                    left.unlink()
                    continue
                self.assertFalse(self.file().exists())
                self.traced([own]).stop()  # keeps it
                self.assertEqual(len(TraceFile(self.file()).records), len(asked))

    def test_a_ring_is_written_out_by_a_trigger(self):
        server = self.traced([{"type": "trace", "path": "disk.trace", "ring": "1M", "trigger": ["signal"]}])
        handle = libnbd.connect(server.uri("disk"))
        asked = self.work(handle, 50)
        until(lambda: len(TraceFile(self.file("disk.trace.ring")).records) == len(asked))
        self.assertFalse(self.file().exists())
        os.kill(server.pid, signal.SIGUSR1)
        until(self.file().exists)
        one = TraceFile(self.file())
        self.assertEqual(len(one.records), len(asked))
        self.assertEqual(one.triggers, [{"trigger": "signal"}])
        handle.shutdown()
        server.stop()
        self.assertFalse(self.file("disk.trace.ring").exists())
        self.assertFalse(self.file("disk.trace.1").exists())

    def test_a_trigger_of_an_empty_ring_makes_no_file_and_keeps_no_other_waiting(self):
        server = self.traced([{"type": "trace", "path": "disk.trace", "ring": "1M", "trigger": ["signal"]}])
        os.kill(server.pid, signal.SIGUSR1)
        until(lambda: "signal: no file is made, as no request was finished since the ring was begun" in server.log())
        self.assertEqual([path.name for path in self.folder.glob("disk.trace*")], ["disk.trace.ring"])
        handle = libnbd.connect(server.uri("disk"))
        handle.flush()
        until(lambda: TraceFile(self.file("disk.trace.ring")).records)
        os.kill(server.pid, signal.SIGUSR1)
        until(self.file().exists)  # at once, and not 10 s later
        self.assertEqual(len(TraceFile(self.file()).records), 1)
        handle.shutdown()
        server.stop()

    def test_a_limit_keeps_the_newest(self):
        server = self.traced([{"type": "trace", "path": "disk.trace", "max_size": "256K", "when_full": "wait"}])
        handle = libnbd.connect(server.uri("disk"))
        for _ in range(6000):
            handle.flush()
        handle.shutdown()
        server.stop()
        self.assertLessEqual(self.file().stat().st_size, 256 * 1024)
        ids = [r["id"] for r in self.agree(self.file())]
        # The oldest may have gaps: a record waits for its reply to leave, and may be written behind younger ones.
        self.assertEqual(ids[-1500:], list(range(4501, 6001)))
        self.assertGreater(len(ids), 6 * 32 * 1024 // 88)
        report = json.loads(self.trace("report", "--json", self.file()).stdout)
        self.assertTrue(report["beginning_lost"])
        told = self.trace("prefetch", self.file(), code=2)  # of which the first line would be wrong
        self.assertIn("the beginning of the trace is lost", told.stderr)
        self.assertEqual(told.stdout, "")

    def test_runs_are_appended(self):
        for _ in range(2):
            server = self.traced([{"type": "trace", "path": "disk.trace", "append": True}])
            handle = libnbd.connect(server.uri("disk"))
            handle.flush()
            handle.shutdown()
            server.stop()
        records = self.agree(self.file())
        self.assertEqual(len({r["run"] for r in records}), 2)
        # The same connection and id, in another run: each record has a name of its own in what programs read.
        for lines in self.trace("show", "--json", self.file()).stdout, self.trace("export", self.file(), "--to", "json").stdout:
            listed = [json.loads(line) for line in lines.splitlines()]
            self.assertEqual(len({(r["connection"], r["id"]) for r in listed}), 1)
            self.assertEqual(len({(r["run"], r["connection"], r["id"]) for r in listed}), 2)

    def test_each_of_the_slowest_is_shown_with_what_was_around_it(self):
        trace = TraceWriter(self.file()).begin()
        for number in range(30):
            start, milliseconds = number * 10**9, 10 + number
            trace.request("write", number * 4096, 512, start, start + milliseconds * 10**6, result=5 if number == 20 else 0)
        told = self.trace("report", trace.end()).stdout.split("the slowest\n")[1].splitlines()[:59]
        self.assertEqual(len([line for line in told if line.startswith("    > ")]), 20)
        self.assertRegex(told[0], "offset=118784 length=512 .* us=39000 ")
        self.assertEqual(told[1], "      after write 110592+512 37.00 ms, write 114688+512 38.00 ms")
        self.assertRegex(told[2], "offset=114688 ")  # nothing came after the last one
        self.assertIn("      before write 81920+512 30.00 ms EIO, write 86016+512 31.00 ms", told)

    def test_selections(self):
        server = self.traced([{"type": "trace", "path": "disk.trace"}])
        first, second = libnbd.connect(server.uri("disk")), libnbd.connect(server.uri("disk"))
        first.pwrite(b"x" * 4096, 1 * MIB)
        first.pread(4096, 2 * MIB - 100)
        second.pwrite(b"x" * 4096, 3 * MIB)
        second.flush()
        for handle in first, second:
            handle.shutdown()
        server.stop()

        def ops(*words):
            return [(r["connection"], r["op"]) for r in self.shown(self.file(), *words)]
        self.assertEqual(ops(), [(1, "write"), (1, "read"), (2, "write"), (2, "flush")])
        self.assertEqual(ops("--op", "write"), [(1, "write"), (2, "write")])
        self.assertEqual(ops("--op", "read", "--op", "flush"), [(1, "read"), (2, "flush")])
        self.assertEqual(ops("--range", "2M..3M"), [(1, "read")])
        self.assertEqual(ops("--range", "3M.."), [(2, "write")])
        self.assertEqual(ops("--connection", "2"), [(2, "write"), (2, "flush")])
        self.assertEqual(ops("--place", "1", "--op", "flush"), [(2, "flush")])
        for words in ("show",), ("export", "--to", "csv"), ("prefetch",):
            told = self.trace(*words, self.file(), "--place", "above", code=2).stderr
            self.assertIn('no place "above"; the trace has "1"', told)
        self.assertEqual(ops("--place", "1", "--op", "trim"), [])
        self.assertEqual(ops("--slower", "1000s"), [])
        self.assertEqual(len(ops("--slower", "0ns")), 4)
        self.assertEqual(ops("--failed"), [])
        out = self.file("out.json")
        self.assertEqual(self.trace("show", "--json", "-o", out, self.file()).stdout, "")
        self.assertEqual(len(out.read_text().splitlines()), 4)
        text = self.trace("show", self.file()).stdout.splitlines()
        self.assertRegex(text[0], r"^\d{4}-\d\d-\d\dT[\d:.]+Z disk 1 #1 write offset=1048576 length=4096 flags=\S+ result=ok us=\d+ ")

    def test_bad_words_and_bad_files(self):
        garbage = self.write("garbage", "x" * 10000)
        for words, code, part in (
                (("show",), 2, "TRACE is required"),
                (("shw", garbage), 2, 'did you mean "show"'),
                (("show", garbage, "--op", "reed"), 2, '--op: "reed" is none of'),
                (("show", garbage, "--range", "2M"), 2, "--range"),
                (("show", garbage, "--slower", "2"), 2, "--slower"),
                (("show", garbage, "--nonsense"), 2, "--nonsense"),
                *((("show", garbage, name, ""), 2, f"show: {name} is empty")
                  for name in ("--range", "--slower", "--op", "--place", "--output")),
                (("show", ""), 2, "show: TRACE is empty"),
                (("show", garbage, "--connection", "-1"), 2, '--connection: "-1" is no whole number of 0 or more'),
                (("show", garbage, "--connection", str(2**64)), 2, f'--connection: "{2**64}" is more than {2**64 - 1}'),
                (("top", garbage, "--times", "-1"), 2, '--times: "-1" is no whole number of 0 or more'),
                (("show", garbage), 1, "garbage: offset 0: this is no trace"),
                (("report", garbage), 1, "garbage: offset 0: this is no trace"),
                (("report", self.file("none")), 1, "none: No such file or directory")):
            with self.subTest(words=words):
                told = self.trace(*words, code=code)
                self.assertIn(part, told.stderr)
                self.assertEqual(told.stdout, "")

    def test_the_good_ones_of_several_traces_are_read(self):
        good, other = TraceWriter(self.file("good.trace")).begin(), TraceWriter(self.file("other.trace")).begin(run=2, tag="below")
        good.request("read", 0, 4096, 1)
        other.request("write", 0, 4096, 2)
        files, alone = (good.end(), other.end()), TraceWriter(self.file("alone.trace")).begin()
        alone.request("flush")
        newer = Path(alone.end())
        head = bytearray(newer.read_bytes())
        head[8:12] = (2).to_bytes(4, "little")
        head[68:72] = check(bytes(head[:68])).to_bytes(4, "little")
        newer.write_bytes(head)
        bad = {self.write("garbage", "x" * 10000): ": offset 0: this is no trace", self.write("empty", ""): ": the file is empty",
               self.file("none"): ": No such file or directory", newer: ": offset 0: this trace has format 2"}
        for words in (("show",), ("show", "--json"), ("report",), ("report", "--json"), ("export", "--to", "csv")):
            wanted = self.trace(*words, *files).stdout
            for one, text in bad.items():
                with self.subTest(words=words, bad=one):
                    told = self.trace(*words, files[0], one, files[1], code=1)
                    self.assertEqual(told.stderr.count(f"ashlar: trace: {one}{text}"), 1, told.stderr)
                    if words[0] == "report" and "--json" in words:
                        found = json.loads(told.stdout)
                        self.assertEqual(found, {**json.loads(wanted), "broken": True, "ended": found["ended"]})
                    elif words[0] == "report":
                        self.assertIn("below", told.stdout)
                    else:
                        self.assertEqual(told.stdout, wanted)
            told = self.trace(*words, *list(bad)[:3], code=1)
            self.assertEqual([told.stderr.count(f"{one}{bad[one]}") for one in list(bad)[:3]], [1, 1, 1])
            self.assertEqual(told.stdout, "")

    def test_two_segments_of_one_sequence_are_told(self):
        trace = TraceWriter(self.file()).begin()
        trace.request("flush")
        trace._end_segment()
        trace.sequence -= 1  # begin() adds one
        trace.begin(run=2).request("flush")
        told = self.trace("show", trace.end(), code=1)
        self.assertEqual(told.stdout.count("\n"), 2)
        self.assertEqual(told.stderr, f"ashlar: trace: {self.file()}: offset 4096: this segment and the one at offset 0 have one "
                                      f"sequence, {trace.sequence}\n")

    def test_what_cannot_be_written_is_told_with_the_reason(self):
        trace = TraceWriter(self.file()).begin()
        for number in range(1000):
            trace.request("flush", start=number)
        trace.end()
        done = self.trace("show", self.file(), "-o", "/dev/full", code=1)
        self.assertEqual(done.stderr, 'ashlar: trace: cannot write to "/dev/full": No space left on device\n')
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "trace", "show", self.file()], stdout=full, stderr=subprocess.PIPE, timeout=600, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, b"ashlar: trace: cannot write to stdout: No space left on device\n"))
        done = subprocess.run(["sh", "-c", 'exec "$0" trace show "$1" >&-', PROGRAM, self.file()], stderr=subprocess.PIPE, timeout=600,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (1, b"ashlar: trace: cannot write to stdout: Bad file descriptor\n"))

    def test_a_start_that_fails_makes_no_file_and_check_tells_of_the_folder(self):
        def checked(**own):
            image = self.sparse_file("disk.img", MIB)
            file = self.write("check.toml", config.toml([config.file_export(image, filters=[{"type": "trace", **own}])]))
            return subprocess.run([PROGRAM, "check", file], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(checked(path="disk.trace").returncode, 0)
        self.assertFalse(self.file().exists())
        for own, key, part in (
                ({"path": "none/disk.trace"}, "path", "No such file or directory"),
                ({"path": "disk.img"}, "path", "is no trace"),
                ({"path": "a.trace", "max_size": "1K"}, "max_size", "is too small"),
                ({"path": "a.trace", "trigger": ["eror"]}, "trigger", '"eror" is none'),
                ({"path": "a.trace", "ring": "1M", "trigger": ["slower"]}, "trigger", '"slower" is none'),
                ({"path": "a.trace", "ring": "1M", "trigger": ["slower 0ms"]}, "trigger", '"slower 0ms" is each request'),
                ({"path": "a.trace", "ring": "1M", "trigger": ["slower 1ms", "slower 9ms"]}, "trigger", "slower stands there twice"),
                ({"path": "a.trace", "ring": "255K"}, "ring", "is too small; write 0, or 256K or more"),
                ({"path": "a.trace", "ring": "2M", "max_size": "1M"}, "ring", "2M is more than max_size = 1M"),
                ({"path": "a.trace", "tag": ""}, "tag", "tag is empty"),
                ({"path": "a.trace", "ring": "1M", "append": True}, "append", "goes without ring")):
            with self.subTest(own):
                told = checked(**own)
                self.assertEqual(told.returncode, 2)
                self.assertRegex(told.stderr, rf'check\.toml:\d+:\d+: key "{key}": .*{part}')
        for path, part in (("none/*.trace", 'no trace can be made in ".*/none": No such file'), ("*.trace", None), ("*/disk.trace", None)):
            with self.subTest(path):  # its layers are made when a client comes
                image = {"type": "file", "path": str(self.folder / "*.img")}
                file = self.write("star.toml", config.toml([{"name": "*", "filters": [{"type": "trace", "path": path}], "plugin": image}]))
                told = subprocess.run([PROGRAM, "check", file], capture_output=True, text=True, timeout=600, check=False)
                self.assertEqual(told.returncode, 0 if part is None else 2, told.stderr)
                self.assertRegex(told.stderr, rf'star\.toml:\d+:\d+: key "path": {part}' if part else "^$")
        self.assertEqual(self.file("disk.img").stat().st_size, MIB)
        (self.folder / "link").symlink_to(self.folder)
        for one, other, part in (("a.trace", f"{self.folder}/./a.trace", ", too"), ("a.trace", "link/a.trace", ", too"),
                                 ("a.trace", "a.trace.ring", " would meet"), ("a.trace.12", "a.trace", " would meet"),
                                 ("a.trace.1", "a.trace.2", None), ("a.trace", "a.trace.old", None)):
            with self.subTest(one=one, other=other):
                layers = [{"type": "trace", "path": path} for path in (one, other)]
                file = self.write("two.toml", config.toml([config.file_export(self.folder / "disk.img", filters=layers)]))
                told = subprocess.run([PROGRAM, "check", file], capture_output=True, text=True, timeout=600, check=False)
                self.assertEqual(told.returncode, 0 if part is None else 2, told.stderr)
                lines = [n for n, line in enumerate(file.read_text().splitlines(), 1) if "a.trace" in line]
                if part is not None:
                    self.assertRegex(told.stderr, rf"two\.toml:{lines[1]}:\d+: .* line {lines[0]}{part}")

    def test_two_layers_of_one_tag_are_refused_with_both_lines(self):
        def checked(*exports):
            file = self.write("tags.toml", config.toml(exports))
            told = subprocess.run([PROGRAM, "check", file], capture_output=True, text=True, timeout=600, check=False)
            return told, [n for n, line in enumerate(file.read_text().splitlines(), 1) if "trace" in line and "type" in line]

        def export(name, *tags):
            own = [{"type": "trace", "path": f"{name}{n}.trace", **({"tag": tag} if tag else {})} for n, tag in enumerate(tags)]
            return {"name": name, "filters": own, "plugin": {"type": "memory", "size": MIB}}
        for tags, where, other, part in ((("a", "a"), 1, 0, ""), (("a", "b", "a"), 2, 0, ""), (("2", None), 0, 1, ", which has none"),
                                         ((None, "1"), 1, 0, ", which has none"), (("1", None), None, None, None),
                                         ((None, None), None, None, None)):
            with self.subTest(tags):
                told, lines = checked(export("disk", *tags))
                self.assertEqual(told.returncode, 0 if part is None else 2, told.stderr)
                if part is None:
                    continue
                place = re.search(r"tags\.toml:(\d+):\d+: key \"tag\": .* the layer at line (\d+), too(.*);", told.stderr)
                self.assertIsNotNone(place, told.stderr)
                # A tag stands in a line behind that of its layer, a layer without one is named by its own.
                self.assertIn(int(place[1]) - lines[where], (0, 1, 2))
                self.assertIn(int(place[2]) - lines[other], (0, 1, 2))
                self.assertTrue(place[3].startswith(part), place[3])
        self.assertEqual(checked(export("one", "a"), export("two", "a"))[0].returncode, 0)

    def test_a_full_disk_under_the_trace_is_told_once_and_the_export_goes_on(self):
        server = self.serve([{"name": "null", "filters": [{"type": "trace", "path": "disk.trace"}],
                              "plugin": {"type": "null", "size": MIB}}],
                            within=("/bin/bash", "-c", 'ulimit -f 20 && exec "$0" "$@"'))
        handle = libnbd.connect(server.uri("null"))
        for _ in range(50):
            handle.flush()
        until(lambda: len(TraceFile(self.file()).records) == 50)
        while "cannot write to" not in server.log():
            handle.flush()
        for _ in range(1000):
            handle.flush()
        handle.shutdown()
        server.stop()
        self.assertEqual(server.log().count("cannot write to"), 1)
        records = self.agree(self.file())
        self.assertLessEqual(self.file().stat().st_size, 20 * 1024)
        self.assertGreaterEqual(len(records), 50)

    def test_a_full_disk_under_a_trace_with_a_limit_is_told_in_the_file(self):
        for when_full in ("drop", "wait"):
            with self.subTest(when_full):
                trace = {"type": "trace", "path": f"{when_full}.trace", "max_size": "256K", "when_full": when_full}
                server = self.serve([{"name": "null", "filters": [trace], "plugin": {"type": "null", "size": MIB}}],
                                    within=("/bin/bash", "-c", 'ulimit -f 64 && exec "$0" "$@"'))  # two of its eight parts
                handle = libnbd.connect(server.uri("null"))
                asked = 0
                while "cannot write to" not in server.log():
                    handle.flush()
                    asked += 1
                handle.shutdown()
                server.stop()
                records, file = self.agree(self.file(trace["path"])), TraceFile(self.file(trace["path"]))
                self.assertGreater(file.lost, 0)
                self.assertEqual(len(records) + file.lost, asked)
                self.assertEqual((file.ended, file.breaks), (True, []))

    def advice(self, *paths):
        told = json.loads(self.trace("report", "--json", *paths).stdout)["advice"]
        return {place: " ".join(one["text"] for one in told if one["place"] == place) for place in ("above", "below")}

    def test_advice_on_blocks_that_are_too_small_does_not_blame_the_layer_that_mends_them(self):
        above = TraceWriter(self.file("above.trace")).begin(run=7)
        below = TraceWriter(self.file("below.trace")).begin(run=7, tag="below")
        ms = 1_000_000
        for number in range(50):  # four to a block, so that each waits for those before it
            at = number * 20 * ms
            same = above.request("write", 1024 * number, 1024, at, at + 10 * ms)
            for op, start in (("read", 8 * ms), ("write", 9 * ms)):
                below.request(op, 4096 * (number // 4), 4096, at + start, at + start + ms, ident=same)
        advice = self.advice(above.end(), below.end())
        self.assertRegex(advice["above"], r"80 % of the time below .* most of it in 50 requests .* set the client's block size")
        for wrong in ("slow layer", "put align above"):
            self.assertNotIn(wrong, advice["above"])
        # The other way round: whole blocks, and time that is lost in between all the same.
        above = TraceWriter(self.file("above.trace")).begin(run=7)
        below = TraceWriter(self.file("below.trace")).begin(run=7, tag="below")
        for number in range(50):
            at = number * 20 * ms
            same = above.request("write", 4096 * number, 4096, at, at + 10 * ms)
            below.request("write", 4096 * number, 4096, at + 8 * ms, at + 10 * ms, ident=same)
        self.assertRegex(self.advice(above.end(), below.end())["above"],
                         r'80 % of the time below "above" \(400.00 ms of 500.00 ms\) is spent above "below", 400.00 ms of it in '
                         r"50 writes, 8.00 ms each: the slow layer is between the two")
        self.assertIn("the slow layer is between the two", self.advice(above.end(), below.end())["above"])
        # And small ones with nothing below that mends them.
        alone = TraceWriter(self.file("above.trace")).begin(run=7)
        for number in range(50):
            alone.request("write", 1024 * number, 1024, number * ms, number * ms + 1000)
        self.assertIn("put align above", self.advice(alone.end())["above"])

    def test_a_layer_that_nothing_came_to_is_in_the_report(self):
        failing = {"type": "fault", "rules": ["write error=EIO"]}
        server = self.traced([{"type": "trace", "path": "above.trace", "tag": "above"}, failing,
                              {"type": "trace", "path": "below.trace", "tag": "below"}])
        handle = libnbd.connect(server.uri("disk"))
        for _ in range(3):
            with self.assertRaises(libnbd.Error):
                handle.pwrite(bytes(4096), 0)
        until(lambda: TraceFile(self.file("below.trace")).places)
        handle.shutdown()
        server.stop()
        paths = self.file("above.trace"), self.file("below.trace")
        report = json.loads(self.trace("report", "--json", *paths).stdout)
        self.assertEqual([(place["place"], place["requests"]) for place in report["places"]], [("above", 3), ("below", 0)])
        write = report["between"][0]["write"]
        self.assertEqual((write["upper_requests"], write["lower_requests"], write["spared"]), (3, 0, 0))  # they failed
        error = '3 of 3 requests to write failed with EIO, made between "above" and "below"'
        self.assertTrue(any(error in one["text"] for one in report["advice"]), report["advice"])
        self.assertIn("no request came here", self.trace("report", *paths).stdout)

    def test_an_error_is_told_where_it_was_made_and_not_above(self):
        above = TraceWriter(self.file("above.trace")).begin(run=7)
        below = TraceWriter(self.file("below.trace")).begin(run=7, tag="below")
        for number in range(10):
            same = above.request("write", 0, 4096, 10 * number, 10 * number + 9, result=errno.EIO if number < 4 else 0)
            if number != 9:  # which something between has spared
                below.request("write", 0, 4096, 10 * number + 1, 10 * number + 8, ident=same, result=errno.EIO if number < 4 else 0)
        paths = above.end(), below.end()
        told = json.loads(self.trace("report", "--json", *paths).stdout)
        self.assertEqual([one["place"] for one in told["advice"] if "EIO" in one["text"]], ["below"])
        self.assertEqual(told["between"][0]["write"]["spared"], 1)

    def test_traces_that_cannot_be_compared_are_named_with_what_they_are_of(self):
        def written(name, run, tag, *ops):
            trace = TraceWriter(self.file(name)).begin(run=run, tag=tag)
            for number, op in enumerate(ops):
                trace.request(op, 4096, 4096, number * 1000, number * 1000 + 500)
            return trace.end()
        above, below = written("above.trace", 7, "above", "write"), written("below.trace", 7, "below", "write")
        told = self.trace("diff", above, below, code=2).stderr
        self.assertIn(f'"{above}" is of "above" of export "disk", and "{below}" of "below" of export "disk": two runs of one place', told)
        self.assertIn("these are of one run, and ashlar trace report tells what the layers between them did", told)
        self.assertIn("give both layers the same tag", self.trace("diff", above, written("other.trace", 8, "2", "write"), code=2).stderr)
        self.assertIn("no op in common", self.trace("diff", above, written("other.trace", 8, "above", "read"), code=2).stderr)
        self.assertIn('other.trace" has no request', self.trace("diff", above, written("other.trace", 8, "above"), code=2).stderr)
        done = self.trace("diff", above, written("other.trace", 8, "above", "write", "read", "read"))
        self.assertIn(f'only in "{self.file("other.trace")}": 2 x read at "above" of export "disk"\n', done.stderr)
        self.assertNotIn("read", done.stdout)

    def test_diff_tells_what_was_dropped_of_each_trace(self):
        traces = [TraceWriter(self.file(name)).begin() for name in ("a.trace", "b.trace")]
        for trace in traces:
            for number in range(100):
                trace.request("flush", start=number * 1000, done=number * 1000 + 500)
        traces[1].dropped(5)
        told = self.trace("diff", *[trace.end() for trace in traces])
        self.assertEqual(told.stderr, f'ashlar: trace: diff: "{self.file("b.trace")}": 5 requests were dropped and have no record\n')

    def test_diff_prefetch_and_top(self):
        server = self.traced([{"type": "trace", "path": "disk.trace"}])
        handle = libnbd.connect(server.uri("disk"))
        for at in (8, 8, 3, 4, 5, 100):
            handle.pread(4096, at * 4096)
        for at in (6, 7):
            handle.pwrite(bytes(4096), at * 4096)
        handle.pread(3 * 4096, 5 * 4096)
        self.work(handle, 400)
        until(lambda: len(TraceFile(self.file()).records) == 409)
        asking = processes.start([PROGRAM, "trace", "top", str(self.file()), "--interval", "2s", "--times", "1"],
                                 stdout=subprocess.PIPE)
        self.assertEqual(asking.wait(600), 0)
        self.assertRegex(asking.stdout.read().decode(), r"^export +place +op +per second")
        asking.stdout.close()
        handle.shutdown()
        server.stop()
        done = self.trace("top", self.file())
        self.assertEqual((done.stdout, done.stderr), ("", "ashlar: trace: top: the trace has ended: nobody writes it any more\n"))
        first = self.trace("prefetch", self.file()).stdout.splitlines()
        self.assertEqual(first[:4], ["# offset length", f"{8 * 4096} 4096", f"{3 * 4096} {3 * 4096}", f"{100 * 4096} 4096"])
        self.assertIn("the same", self.trace("diff", self.file(), self.file()).stdout)
        told = json.loads(self.trace("diff", "--json", self.file(), self.file()).stdout)
        self.assertEqual({one["change"] for one in told}, {0})

    def test_prefetch_names_each_block_of_a_large_disk_once(self):
        some, trace = random.Random(1), TraceWriter(self.file()).begin(size=str(1 << 46))
        wanted, known = [], set()
        for number in range(8000):
            first, blocks = some.choice((some.randrange(1 << 34), some.randrange(4000))), some.randrange(1, 4)
            op = some.choice(("read", "read", "read", "write", "trim"))
            offset, length = first * 4096 + 512 * some.randrange(2), blocks * 4096 - 512 * some.randrange(1, 3)
            trace.request(op, offset, length, number * 1000)
            if op == "trim":
                continue
            new = [block for block in range(first, first + blocks) if block not in known and
                   (op == "read" or offset <= block * 4096 and (block + 1) * 4096 <= offset + length)]
            known.update(new)
            wanted += new if op == "read" else []
        told = [line.split() for line in self.trace("prefetch", trace.end()).stdout.splitlines()[1:]]
        self.assertEqual([block for offset, length in told
                          for block in range(int(offset) // 4096, (int(offset) + int(length)) // 4096)], wanted)

    def test_prefetch_has_what_was_written_in_part_before_it_was_read(self):
        trace = TraceWriter(self.file()).begin(size=str(20 * 4096 + 512))
        trace.request("write", 4096, 512, 1)
        trace.request("read", 4096 + 512, 512, 2)  # the rest of the block has to be fetched
        trace.request("write", 3 * 4096, 4096, 3)
        trace.request("read", 3 * 4096, 512, 4)
        trace.request("write", 20 * 4096, 512, 5)  # the disk ends there
        trace.request("read", 20 * 4096, 512, 6)
        self.assertEqual(self.trace("prefetch", trace.end()).stdout, "# offset length\n4096 4096\n")

    def test_prefetch_tells_that_requests_are_missing(self):
        trace = TraceWriter(self.file()).begin()
        trace.request("read", 0, 4096)
        trace.dropped(7)
        done = self.trace("prefetch", trace.end())
        self.assertEqual(done.stdout, "# offset length\n0 4096\n")
        self.assertEqual(done.stderr, "ashlar: trace: prefetch: 7 requests were dropped and have no record\n")

    def compared(self, *runs, code):
        """What diff says of reads that took so long, in two runs; nanoseconds."""
        paths = []
        for number, times in enumerate(runs):
            trace, at = TraceWriter(self.file(f"{number}.trace")).begin(run=number + 1), 0
            for took in times:
                trace.request("read", 0, 4096, at, at + int(took))
                at += int(took) + 1000
            paths.append(trace.end())
        found, = json.loads(self.trace("diff", "--json", *paths, code=code).stdout)
        return found, self.trace("diff", *paths, code=code).stdout

    def test_diff_finds_that_a_few_take_much_longer(self):
        some = random.Random(3)
        usual = [[some.lognormvariate(0, 0.3) * 100_000 for _ in range(4000)] for _ in range(2)]
        found, _ = self.compared(*usual, code=0)
        self.assertEqual(found["verdict"], "the same")
        longer = [took + (10_000_000 if number % 20 == 0 else 0) for number, took in enumerate(usual[1])]
        found, told = self.compared(usual[0], longer, code=1)
        self.assertEqual(found["verdict"], "slower")
        self.assertLess(abs(found["change"]), 0.05)
        self.assertGreater(found["mean_change"], 4)
        self.assertLess(found["mean_chance"], 0.001)
        self.assertRegex(told, r"\+4\d\d\.\d %  +< 0\.01 %  +slower in the mean")
        self.assertEqual(self.compared(longer, usual[0], code=1)[0]["verdict"], "faster")

    def test_diff_is_not_sure_of_what_comes_and_goes(self):
        some = random.Random(8)

        def drifting():
            at = 0
            for _ in range(2000):  # as a machine that is busy now and then
                at = 0.99 * at + some.gauss(0, 0.05)
                yield 100_000 * 2.718 ** at
        for _ in range(12):
            self.assertEqual(self.compared(drifting(), drifting(), code=0)[0]["verdict"], "the same")
        self.assertEqual(self.compared(drifting(), [2.5 * took for took in drifting()], code=1)[0]["verdict"], "slower")


if __name__ == "__main__":
    main()
