"""`ashlar trace replay` against ashlar, nbdkit and qemu-nbd."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import unittest

from lib import config, full_pipe, libnbd, processes
from lib.case import Case, main, skip
from lib.images import MIB
from lib.server import PROGRAM

try:
    from lib.trace_file import TraceFile
    from lib.trace_writer import TraceWriter
except ImportError:
    skip("needs xxhash for Python (python3-xxhash)")

SLOW_WRITES = os.environ["ASHLAR_SLOW_WRITES"]
FUA = libnbd.nbd.CMD_FLAG_FUA

if "leaves it out" in subprocess.run([PROGRAM, "trace", "replay", "none", "none"], capture_output=True, text=True,
                                     timeout=600, check=False).stderr:
    skip("needs a build with libnbd (libnbd-dev)")


class Replay(Case):
    def setUp(self):
        super().setUp()
        self.trace = self.folder / "disk.trace"

    def traced(self, size=4 * MIB, **own):
        image = self.sparse_file("disk.img", size)
        return self.serve([config.file_export(image, filters=[{"type": "trace", "path": "disk.trace", **own}])])

    def fresh(self, name="fresh", size=4 * MIB, **own):
        """Another server, whose trace tells what it was asked."""
        image = self.sparse_file(f"{name}.img", size)
        layer = {"type": "trace", "path": f"{name}.trace", "payload": "data"}
        return self.serve([config.file_export(image, filters=[layer], **own)])

    def work(self, server, rounds=300, clients=1):
        """All kinds of requests, from several clients in turn."""
        handles, some = [libnbd.connect(server.uri("disk")) for _ in range(clients)], random.Random(1)
        for _ in range(rounds):
            handle = some.choice(handles)
            offset, length = some.randrange(4096) * 512, some.randrange(1, 65) * 512
            op = some.choice(("read", "read", "write", "flush", "trim", "zero", "cache", "extents"))
            if op == "read":
                handle.pread(length, offset)
            elif op == "write":
                handle.pwrite(some.randbytes(length), offset, some.choice((0, FUA)))
            elif op == "flush":
                handle.flush()
            elif op == "trim":
                handle.trim(length, offset, some.choice((0, FUA)))
            elif op == "zero":
                handle.zero(length, offset, some.choice((0, libnbd.nbd.CMD_FLAG_NO_HOLE)))
            elif op == "cache":
                if handle.can_cache():
                    handle.cache(length, offset)
            else:
                handle.block_status(length, offset, lambda *_: 0, some.choice((0, libnbd.nbd.CMD_FLAG_REQ_ONE)))
        for handle in handles:
            handle.shutdown()
        server.stop()

    def replay(self, uri, *words, code=0):
        done = subprocess.run([PROGRAM, "trace", "replay", *map(str, (self.trace, uri, *words))], capture_output=True, text=True,
                              timeout=600, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def listed(self, name):
        """What a trace has: [(op, offset, length, flags that clients give)]."""
        done = subprocess.run([PROGRAM, "trace", "show", "--json", self.folder / name], capture_output=True, text=True, timeout=600,
                              check=True)
        return [(r["op"], r["offset"], r["length"], sorted({"fua", "may_trim", "fast", "req_one"} & set(r["flags"])))
                for r in map(json.loads, done.stdout.splitlines())]

    def test_the_same_requests_come_again(self):
        self.work(self.traced(payload="data"))
        server = self.fresh()
        done = self.replay(server.uri("disk"), "--keep-order", "--speed", "max")
        server.stop()
        self.assertEqual(done.stderr, "")
        self.assertEqual(self.listed("fresh.trace"), self.listed("disk.trace"))
        self.assertEqual((self.folder / "fresh.img").read_bytes(), (self.folder / "disk.img").read_bytes())
        self.assertRegex(done.stdout,
                         r"^300 requests by 1 connection: now in \S+ \S+, then in \S+ \S+\nop +count +errors then +now +p50 then +now ")
        self.assertRegex(done.stdout, r"\nflush +\d+ +0 +0 ")

    def test_what_is_of_no_client_is_asked_again_as_if_of_one_more_connection(self):
        trace = TraceWriter(self.trace).begin(payload="data")
        trace.request("write", 0, 512, 0, 10, data=b"a" * 512)
        trace.request("write", 4096, 512, 20, 30, data=b"b" * 512, connection=0, ident=0)
        trace.request("write", 8192, 512, 40, 50, data=b"c" * 512, connection=0, ident=0)
        trace.request("flush", start=60, done=70, connection=0, ident=0)
        trace.end()
        server = self.fresh(size=MIB)
        done = self.replay(server.uri("disk"), "--keep-order")
        server.stop()
        self.assertRegex(done.stdout, "^4 requests by 2 connections: ")
        # Writes that do not overlap wait for nothing, and come by two sockets; the flush waits for all of them.
        again, then = self.listed("fresh.trace"), self.listed("disk.trace")
        self.assertEqual(sorted(again[:-1]), then[:-1])
        self.assertEqual(again[-1], then[-1])
        disk = (self.folder / "fresh.img").read_bytes()
        self.assertEqual([disk[at:at + 512] for at in (0, 4096, 8192)], [text * 512 for text in (b"a", b"b", b"c")])

    def test_a_flush_waits_for_what_it_followed_and_changes_wait_for_the_flush(self):
        trace = TraceWriter(self.trace).begin()
        for number in range(4):
            trace.request("write", number * 4096, 4096, number, 100 + number)
        trace.request("read", 65536, 4096, 5, 110)
        trace.request("flush", 0, 0, 200, 300)
        for number in range(4):
            trace.request("write", 32768 + number * 4096, 4096, 400 + number, 500 + number)
        trace.end()
        layers = [{"type": "trace", "path": "fresh.trace"}, {"type": SLOW_WRITES, "milliseconds": 30}]
        server = self.serve([config.file_export(self.sparse_file("fresh.img", MIB), filters=layers)])
        self.replay(server.uri("disk"), "--keep-order", "--speed", "max")
        server.stop()
        records = TraceFile(self.folder / "fresh.trace").records
        (flush,) = (r for r in records if r["op"] == "flush")
        before, after = ([r for r in records if r["op"] == "write" and (r["offset"] < 32768) == first] for first in (True, False))
        self.assertEqual((len(before), len(after)), (4, 4))
        self.assertGreaterEqual(flush["start"], max(r["done"] for r in before))
        self.assertGreaterEqual(min(r["start"] for r in after), flush["done"])

    def test_what_is_read_is_verified(self):
        for payload in ("data", "hash"):
            with self.subTest(payload):
                self.work(self.traced(payload=payload), clients=2)
                server = self.fresh(payload)
                reads = sum(op == "read" for op, *_ in self.listed("disk.trace"))
                done = self.replay(server.uri("disk"), "--verify", "--speed", "max")
                self.assertRegex(done.stdout, r"\n\d+ reads gave what they had to, 0 did not; ")
                same, unknown = map(int, re.search(r"(\d+) reads gave.* write under way, (\d+) of bytes", done.stdout).groups())
                self.assertEqual(same + unknown, reads)
                self.assertGreater(same, 0)
                self.assertGreater(unknown, 0)  # trimmed
                server.stop()

    def test_a_difference_is_named_with_what_is_around_it(self):
        for payload in ("data", "hash"):
            with self.subTest(payload):
                handle = libnbd.connect(self.traced(payload=payload).uri("disk"))
                handle.pread(4096, 0)
                handle.pwrite(b"x" * 512, MIB)
                handle.pread(3 * 4096, 8192)
                handle.flush()
                handle.pread(512, 8192)
                handle.shutdown()
                self.servers[-1].stop()
                server = self.fresh(payload)
                with open(self.folder / f"{payload}.img", "r+b") as file:
                    file.seek(13000)
                    file.write(b"!")
                done = self.replay(server.uri("disk"), "--verify", code=1)
                self.assertRegex(done.stdout, r"\n2 reads gave what they had to, 1 did not; ")
                where = "byte 13000" if payload == "data" else "the block of 4 KiB at 12288"
                self.assertIn(f"\nthe first difference: {where} of the disk, read by request 3\n  the requests around it:\n", done.stdout)
                around = done.stdout.split("the requests around it:\n")[1]
                self.assertRegex(around, r"^    \S+ disk 1 #1 read offset=0 .*\n    \S+ disk 1 #1 write .*\n"
                                         r"  > \S+ disk 1 #1 read offset=8192 length=12288 .*\n"
                                         r"    \S+ disk 1 #1 flush .*\n    \S+ disk 1 #1 read .*\n$")
                server.stop()

    def test_a_write_that_the_server_throws_away_is_found_although_the_trace_has_hashes_alone(self):
        handle = libnbd.connect(self.traced(payload="hash").uri("disk"))
        handle.pwrite(b"x" * 4096, 0)
        handle.pwrite(b"y" * 4096, 0)
        handle.pread(4096, 0)
        handle.shutdown()
        self.servers[-1].stop()
        image = self.sparse_file("liar.img", 4 * MIB)
        for which in ("", " after=1"):
            liar = {"type": "fault", "rules": [f"write lie times=1{which}"]}
            server = self.serve([config.file_export(image, filters=[liar])])
            if not which:  # what is lost was written over
                self.assertIn("\n1 reads gave what they had to, 0 did not; ", self.replay(server.uri("disk"), "--verify").stdout)
            else:
                done = self.replay(server.uri("disk"), "--verify", code=1)
                self.assertIn("\nthe first difference: byte 0 of the disk, read by request 3, is not what this replay wrote there\n",
                              done.stdout)
            server.stop()

    def test_a_replay_in_which_nothing_could_be_verified_does_not_go_well(self):
        trace = TraceWriter(self.trace).begin(payload="data")
        trace.request("trim", 0, 4096, 0, 10)
        trace.request("read", 0, 4096, 20, 30, data=b"a" * 4096)
        trace.request("write", 0, 4096, 50, 70, data=b"a" * 4096)
        trace.request("read", 0, 4096, 60, 80, data=b"a" * 4096)
        trace.end()
        server = self.fresh()
        done = self.replay(server.uri("disk"), "--verify", code=2)
        self.assertIn("\n0 reads gave what they had to, 0 did not; ", done.stdout)
        self.assertEqual(done.stderr, "ashlar: trace: replay: --verify: not one read could be verified: 1 overlapped a write under way, "
                                      "1 are of bytes that are not known\n")
        server.stop()

    def test_what_the_server_does_not_offer_is_told(self):
        self.work(self.traced(payload="data"))
        server = self.fresh("bare", read_only=True)
        done = self.replay(server.uri("disk"), "--speed", "max")
        count = sum(op == "write" for op, *_ in self.listed("disk.trace"))
        self.assertIn(f"{count} requests, write: left out, as the server does not offer that\n", done.stderr)
        server.stop()

    def test_requests_that_fail_now_are_named(self):
        self.work(self.traced(payload="data"))
        server = self.serve([{"name": "disk", "filters": [],
                              "plugin": {"type": "file", "path": str(self.sparse_file("full.img", 4 * MIB))}}],
                            within=("/bin/bash", "-c", 'ulimit -f 100 && exec "$0" "$@"'))
        done = self.replay(server.uri("disk"), "--keep-order", code=1)
        self.assertRegex(done.stdout, r"\n\d+ requests failed that went well then, first with ENOSPC:\n")
        self.assertRegex(done.stdout, r"\n  > \S+ disk 1 #1 (write|zero) ")

    def test_time_is_kept(self):
        handle = libnbd.connect(self.traced().uri("disk"))
        for _ in range(3):
            handle.pread(512, 0)
            time.sleep(0.2)
        handle.pread(512, 0)
        handle.shutdown()
        self.servers[-1].stop()
        server = self.fresh()

        def seconds(*words):
            began = time.monotonic()
            self.replay(server.uri("disk"), *words)
            return time.monotonic() - began
        self.assertGreaterEqual(seconds(), 0.6)
        self.assertGreaterEqual(seconds("--speed", "0.5"), 1.2)
        self.assertGreaterEqual(seconds("--keep-order", "--speed", "1"), 0.6)

    def test_what_waits_for_its_order_comes_late_and_is_counted(self):
        trace = TraceWriter(self.trace).begin()
        trace.request("write", 0, 4096, 0, 10**6)
        trace.request("write", 0, 4096, 2 * 10**6, 3 * 10**6)
        trace.end()
        layers = [{"type": SLOW_WRITES, "milliseconds": 50}]
        server = self.serve([config.file_export(self.sparse_file("slow.img", MIB), filters=layers)])
        done = self.replay(server.uri("disk"), "--keep-order", "--speed", "1")
        self.assertRegex(done.stdout, r"\n[12] requests came 1 ms or more later than they should\n")

    def test_below_another_layer_the_time_of_then_is_that_of_the_layers_below(self):
        server = self.fresh("then", MIB)
        for topmost, took in (("1", "50.00 ms"), ("0", "1.00 ms")):
            trace = TraceWriter(self.trace).begin(topmost=topmost)
            trace.request("write", 0, 4096, 0, 10**6, sent=50 * 10**6)
            trace.end()
            done = self.replay(server.uri("disk"), "--speed", "max")
            self.assertRegex(done.stdout, rf"\nwrite +1 +0 +0 +{took} ")
        work = self.serve([config.file_export(self.sparse_file("two.img", MIB), filters=[
            {"type": "trace", "path": "upper.trace"}, {"type": "trace", "path": "lower.trace"}])])
        handle = libnbd.connect(work.uri("disk"))
        handle.flush()
        handle.shutdown()
        work.stop()
        self.assertEqual([TraceFile(self.folder / f"{name}.trace").places[0]["topmost"] for name in ("upper", "lower")], ["1", "0"])

    def test_the_time_of_then_is_that_of_what_is_asked_in_each_run(self):
        ms, trace = 10**6, TraceWriter(self.trace)
        for run in 1, 2:
            at = run * 5_000_000 * ms  # the clock of a machine that has run for a while
            trace.begin(run=run)
            trace.request("write", 0, 4096, at, at + 10 * ms)
            trace.request("read", 0, 4096, at + 20 * ms, at + 120 * ms)
            trace.request("write", 0, 4096, at + 200 * ms, at + 250 * ms)
        trace.end()
        self.assertIn(", then in 500.00 ms\n", self.replay(self.fresh().uri("disk"), "--keep-order").stdout)
        server = self.fresh("bare", read_only=True)
        self.assertIn(", then in 200.00 ms\n", self.replay(server.uri("disk"), "--keep-order").stdout)

    def test_what_is_missing_in_the_trace_is_told(self):
        trace = TraceWriter(self.trace).begin()
        trace.request("read", 0, 4096, 0, 1)
        trace.dropped(7)
        whole = trace.end().read_bytes()
        uri = self.fresh().uri("disk")
        self.assertIn("replay: 7 requests were dropped and have no record\n", self.replay(uri).stderr)
        broken = bytearray(whole)
        broken[whole.index(b"requests=7")] ^= 1
        self.trace.write_bytes(broken)
        done = self.replay(uri, code=1)
        self.assertRegex(done.stderr, r"offset \d+: the check of an entry does not fit")
        self.assertIn("1 requests by 1 connection", done.stdout)

    def test_other_servers(self):
        self.work(self.traced(payload="data"), clients=2)
        (self.folder / "other.img").write_bytes(bytes(4 * MIB))
        socket = self.folder / "other.sock"
        for words in (["nbdkit", "-f", "-U", socket, "memory", "4M"],
                      ["qemu-nbd", "-f", "raw", "-k", socket, "-t", "-e", "4", self.folder / "other.img"]):
            if shutil.which(words[0]) is None:
                continue
            with self.subTest(words[0]):
                server = processes.start(words)
                try:
                    while not socket.exists():
                        self.assertIsNone(server.poll())
                        time.sleep(0.01)
                    done = self.replay(f"nbd+unix:///?socket={socket}", "--verify", "--speed", "max")
                    self.assertRegex(done.stdout, r"\n\d+ reads gave what they had to, 0 did not; ")
                finally:
                    server.terminate()
                    server.wait(60)
                    socket.unlink(missing_ok=True)

    def test_what_overlaps_waits_for_what_it_followed(self):
        if shutil.which("nbdkit") is None:
            self.skipTest("needs nbdkit")
        handle = libnbd.connect(self.traced(payload="data").uri("disk"))
        for n in range(8):
            handle.pwrite(bytes([n + 1]) * 4096, n * 4096)
            handle.pread(4096, n * 4096)
        handle.shutdown()
        self.servers[-1].stop()
        socket = self.folder / "slow.sock"
        # Its writes take longer than its reads, and several go on at once.
        server = processes.start(["nbdkit", "-f", "-U", socket, "--filter=delay", "memory", "4M", "delay-write=50ms"])
        try:
            while not socket.exists():
                self.assertIsNone(server.poll())
                time.sleep(0.01)
            done = self.replay(f"nbd+unix:///?socket={socket}", "--verify", "--speed", "max")
            self.assertIn("\n8 reads gave what they had to, 0 did not; ", done.stdout)
        finally:
            server.terminate()
            server.wait(60)

    def test_what_cannot_be(self):
        self.work(self.traced(), 20)
        server = self.fresh("small", MIB)
        none = f"nbd+unix:///disk?socket={self.folder}/none.sock"
        for words, code, part in (((none,), 1, "cannot connect to"), (("nonsense",), 2, '"nonsense"'),
                                  ((server.uri("disk"),), 2, "the server's disk has 1048576 bytes"),
                                  ((none, "--verify"), 2, "neither hashes nor bytes of"),
                                  ((none, "--speed", "fast"), 2, '--speed: "fast" is none of'),
                                  ((none, "--connections", "0"), 2, "--connections")):
            with self.subTest(words):
                done = self.replay(*words, code=code)
                self.assertIn(part, done.stderr)
                self.assertEqual(done.stdout, "")
        writer = TraceWriter(self.trace).begin()
        writer.request("write", 0, 4096, 1, 2)
        writer.end()
        self.assertIn("--verify: the trace has no read", self.replay(none, "--verify", code=2).stderr)
        # One of several connections does not see what the others wrote, as far as the server says.
        alone = self.serve([config.file_export(self.sparse_file("alone.img", 4 * MIB), multi_conn="off")]).uri("disk")
        done = self.replay(alone, "--connections", "2", "--keep-order", code=2)
        self.assertIn("--connections: the server does not say that several may be used together", done.stderr)
        self.replay(alone, "--connections", "2")
        self.replay(alone, "--connections", "1", "--keep-order")

    def test_libnbd_is_needed_to_replay_and_for_nothing_else(self):
        server = self.traced()
        self.work(server, rounds=10)
        server.stop()
        (self.folder / "libnbd.so.0").touch()  # found first, and no library
        without = ["env", f"LD_LIBRARY_PATH={self.folder}", PROGRAM]
        processes.run(*without, "trace", "report", self.trace)
        done = processes.run(*without, "trace", "replay", self.trace, self.fresh().uri("disk"), ok=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("a replay needs libnbd (Debian's package libnbd0): ", done.stdout)

    def test_ctrl_c_ends_it_although_nobody_takes_what_it_prints(self):
        self.work(self.traced(), 20)
        server = self.fresh("again")
        reads, writes = full_pipe.make()
        asking = processes.start([PROGRAM, "trace", "replay", self.trace, server.uri("disk"), "--speed", "max"], stdout=writes,
                                 stderr=subprocess.PIPE)
        try:
            while "opened export" not in server.log():
                time.sleep(0.01)
            full_pipe.wait_until_it_waits(asking)
            asking.send_signal(signal.SIGINT)
            self.assertEqual(asking.wait(60), -signal.SIGINT)
            self.assertIn(b"ashlar: trace: interrupted\n", asking.stderr.read())
        finally:
            asking.kill()
            asking.wait()
            asking.stderr.close()
            os.close(reads)
            os.close(writes)

    def test_a_lost_connection_is_told_with_the_request_that_had_no_answer(self):
        handle = libnbd.connect(self.traced().uri("disk"))
        handle.pread(512, 0)
        handle.pread(1024, 4096)
        handle.shutdown()
        self.servers[-1].stop()
        drops = {"type": "fault", "rules": ["read drop times=1 after=1"]}
        server = self.serve([config.file_export(self.sparse_file("drops.img", 4 * MIB), filters=[drops])])
        done = self.replay(server.uri("disk"), "--keep-order", "--connections", "1", code=1)
        self.assertRegex(done.stderr, r"^ashlar: trace: the connection is lost: (?!unknown error).+; the oldest request that it has not "
                                      r"answered is number [12], read offset=(0 length=512|4096 length=1024)\n$")

    def test_a_server_that_dies_and_ctrl_c_end_it(self):
        handle = libnbd.connect(self.traced().uri("disk"))
        handle.pread(512, 0)
        time.sleep(0.05)
        handle.pread(512, 0)
        handle.shutdown()
        self.servers[-1].stop()
        for how in ("server", "replay"):
            with self.subTest(how):
                server = self.fresh(how)
                asking = processes.start([PROGRAM, "trace", "replay", self.trace, server.uri("disk"), "--speed", "0.001"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                try:
                    while "opened export" not in server.log():
                        time.sleep(0.01)
                    if how == "server":
                        server.stop()
                    else:
                        asking.send_signal(signal.SIGINT)
                    self.assertEqual(asking.wait(600), 1 if how == "server" else -signal.SIGINT)
                    told = asking.stderr.read().decode()
                    self.assertIn("the connection is lost" if how == "server" else "interrupted", told)
                finally:
                    asking.kill()
                    asking.wait()
                    asking.stderr.close()


if __name__ == "__main__":
    main()
