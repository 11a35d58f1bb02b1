"""`ashlar trace crash`: the disk as power cuts could have left it, and a flush that was lost on purpose."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import unittest
import zlib

from lib import config, full_pipe, libnbd, processes
from lib.case import Case, main
from lib.images import MIB
from lib.server import PROGRAM

SWALLOW = os.environ["ASHLAR_SWALLOW"]
FUA = libnbd.nbd.CMD_FLAG_FUA
BLOCK = 4096

# Good when each block that the first sector counts has the right checksum.
CHECK = """
import os, sys, zlib
with open(os.environ["image"], "rb") as disk:
    count = int.from_bytes(disk.read(8), "little")
    for n in range(1, count + 1):
        disk.seek(n * 4096)
        block = disk.read(4096)
        if zlib.crc32(block[4:]) != int.from_bytes(block[:4], "little"):
            print(f"block {n} of {count} is bad")
            sys.exit(3)
"""


def block(n):
    rest = os.urandom(BLOCK - 4)
    return zlib.crc32(rest).to_bytes(4, "little") + rest


class Crash(Case):
    def setUp(self):
        super().setUp()
        self.image = self.sparse_file("disk.img", MIB)
        self.base = self.sparse_file("base.img", MIB)
        self.check = f"{sys.executable} {self.write('check.py', CHECK)}"
        self.trace = self.folder / "disk.trace"

    def traced(self, filters=(), **own):
        """A server whose trace stands below `filters`."""
        layer = {"type": "trace", "path": "disk.trace", "payload": "data", **own}
        return self.serve([config.file_export(self.image, filters=[*filters, layer])])

    def journal(self, server, rounds=6, commit=None):
        """Writes a block and counts it, each behind a flush."""
        handle = libnbd.connect(server.uri("disk"))
        for n in range(1, rounds + 1):
            handle.pwrite(block(n), n * BLOCK)
            handle.flush()
            if commit is not None:
                commit(handle, n)
                continue
            handle.pwrite(n.to_bytes(8, "little") + bytes(504), 0)
            handle.flush()
        handle.shutdown()
        server.stop()

    def crash(self, *words, code=0, check=None, image=None):
        # Wherever it ends, it leaves nothing behind.
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        command = [PROGRAM, "trace", "crash", self.trace, "--image", image or self.base, "--check", check or self.check,
                   "--scratch", scratch, *words]
        before = hashlib.sha256(self.base.read_bytes()).digest()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(hashlib.sha256(self.base.read_bytes()).digest(), before)
        self.assertEqual(list(scratch.iterdir()), [])
        return done

    def test_a_disk_that_keeps_its_word_is_good_at_each_point(self):
        self.journal(self.traced())
        self.assertEqual(self.crash().stdout, "13 states of the disk at 12 flushes and requests with FUA: the check passed for each\n")
        self.assertIn("52 states of the disk at 12 flushes", self.crash("--points", "all").stdout)
        self.assertIn("20 states of the disk at 12 flushes", self.crash("--points", "20", "--seed", "9").stdout)
        self.assertIn("43 states of the disk at 12 flushes", self.crash("--points", "all", "--from", "9").stdout)

    def test_a_lost_flush_is_found(self):
        self.journal(self.traced([{"type": SWALLOW, "which": 7}]))
        found = set()
        for seed in range(1, 7):
            for words in (["--points", "flush"], ["--points", "all", "--seed", seed]):
                command = [PROGRAM, "trace", "crash", self.trace, "--image", self.base, "--check", self.check, *map(str, words)]
                done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, check=False)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if done.returncode == 1:
                    found.add(seed)
                    last = done.stdout
        # 3 states are made, and in one of 4 either is lost.
        self.assertTrue(found)
        # Block 4 and its count are between the same two flushes, so that the count may be there without the block.
        self.assertRegex(last, r"^state \d+ of 0 to 47 is bad: "
                               r"the check ended with exit code 3 after a power cut right before the answer to\n"
                               r"    \S+ disk 2 #1 flush ")
        self.assertIn("    block 4 of 4 is bad\n", last)
        self.assertRegex(last, rf"\n  (nothing|a part) +\S+ disk 2 #1 write offset={4 * BLOCK} length=4096 ")
        self.assertRegex(last, r"\n  (all|a part) +\S+ disk 2 #1 write offset=0 length=512 [^\n]*\n"
                               r"  - +\S+ disk 2 #1 flush [^\n]*\ndurable: ")
        # The same state comes again, by its number alone.
        words = re.search(r"\nto get this disk: the same command with (--points all --seed \d --from \d+ --keep) FILE\n$", last)[1].split()
        kept = self.folder / "kept.img"
        again = self.crash(*words, kept, code=1)
        self.assertEqual(again.stdout.splitlines()[:-1], last.splitlines()[:-1])
        self.assertEqual(again.stdout.splitlines()[-1], f'this disk, as the power cut left it, is in "{kept}"')
        done = subprocess.run(["sh", "-c", self.check], env={**os.environ, "image": str(kept)}, capture_output=True, text=True,
                              timeout=600, check=False)
        self.assertEqual((done.returncode, done.stdout), (3, "block 4 of 4 is bad\n"))

    def test_what_has_fua_is_durable_without_a_flush(self):
        def commit(flags):
            return lambda handle, n: handle.pwrite(n.to_bytes(8, "little") + bytes(504), 0, flags)

        # The check wants the count, once it was answered with FUA; it is what the state is called, so counts go up.
        self.journal(self.traced(), commit=commit(FUA))
        count = "python3 -c 'import os; print(int.from_bytes(open(os.environ[\"image\"], \"rb\").read(8), \"little\"))'"
        log = self.folder / "counts"
        self.crash(check=f"{count} >> {log}")
        self.assertEqual(log.read_text().split(), [str(n) for n in (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6)])

    def test_without_fua_or_flush_nothing_is_durable(self):
        handle = libnbd.connect(self.traced().uri("disk"))
        handle.pwrite(b"x" * 512, 0)
        handle.zero(4096, 8192)
        handle.pwrite(b"y" * 512, 512, FUA)
        handle.trim(512, 512)
        handle.flush()
        handle.pwrite(b"z" * 512, 512)
        handle.shutdown()
        self.servers[0].stop()
        log = self.folder / "states"
        self.crash(check=f"head -c 1024 $image | tr '\\0' - | fold -w 512 | cut -c 1 | tr -d '\\n' >> {log}; echo >> {log}")
        self.assertEqual(log.read_text().split(), ["--", "-y", "x-"])

    def test_a_check_may_change_its_image(self):
        self.journal(self.traced())
        for spoil in ("printf x | dd of=$image bs=1 seek=5000 conv=notrunc status=none", "truncate -s 10 $image",
                      f"head -c {2 * MIB} /dev/zero > $image"):
            with self.subTest(spoil):
                self.crash("--points", "all", check=f"{self.check} && {spoil}")

    def test_what_is_kept_is_as_the_power_cut_left_it_whatever_the_check_does(self):
        self.journal(self.traced([{"type": SWALLOW, "which": 7}]))
        for number, words in enumerate((["--from", "5"], ["--points", "all", "--seed", "2", "--from", "21"])):
            with self.subTest(words):
                one, other = self.folder / f"one{number}", self.folder / f"other{number}"
                self.crash(*words, "--keep", one, code=1, check="exit 1")
                self.crash(*words, "--keep", other, code=1, check=f"head -c {MIB} /dev/urandom > $image; exit 1")
                self.assertEqual(one.read_bytes(), other.read_bytes())
                self.assertNotEqual(one.read_bytes(), self.base.read_bytes())
        self.assertIn("the check printed:", self.crash(code=1, check="echo bad; exit 1").stdout)
        self.assertIn("the end of what the check printed:", self.crash(code=1, check="yes bad | head -n 3000; exit 1").stdout)

    def test_a_trace_that_cannot_serve(self):
        def work(server):
            handle = libnbd.connect(server.uri("disk"))
            for _ in range(60):
                handle.pwrite(os.urandom(BLOCK), 0)
            handle.flush()
            handle.shutdown()
            server.stop()

        for own, part in (({"payload": "hash"}, "lacks the bytes of 60 writes"),
                          ({"max_size": "256K"}, "the beginning of the trace is lost")):
            with self.subTest(own):
                work(self.traced(**own))
                done = self.crash(code=2)
                self.assertIn(part, done.stderr)
                self.assertEqual(done.stdout, "")
        work(self.traced())
        small = self.sparse_file("small.img", MIB // 2)
        for words, part in ((dict(image=small), "has 524288 bytes, but the disk of the trace has 1048576"),
                            (dict(check="/does/not/exist"), '--check: "/does/not/exist" cannot be run')):
            with self.subTest(words):
                self.assertIn(part, self.crash(code=2, **words).stderr)
        for words, code, part in ((("--points", "some"), 2, '--points: "some" is none of'), (("--points", "0"), 2, "--points"),
                                  (("--from", "2"), 2, "no state 2: the trace has states 0 to 1"),
                                  (("--from", "-1"), 2, '--from: "-1" is no whole number of 0 or more'),
                                  (("--keep", self.folder / "none" / "bad"), 2, "--keep: no file can be made in"),
                                  (("--place", "above"), 2, 'no request of a place "above"')):
            with self.subTest(words):
                self.assertIn(part, self.crash(*words, code=code).stderr)
        self.assertIn("--check: an empty command", self.crash(code=2, check=" ").stderr)
        self.assertIn("No such file", self.crash(code=1, image=self.folder / "none").stderr)
        # A byte of a record in the middle.
        data = bytearray(self.trace.read_bytes())
        data[50 * BLOCK] ^= 1
        self.trace.write_bytes(data)
        done = self.crash(code=2)
        self.assertIn("broken", done.stderr)

    def test_a_trace_without_a_flush_proves_nothing(self):
        handle = libnbd.connect(self.traced().uri("disk"))
        handle.pwrite(bytes(BLOCK), 0)
        handle.pwrite(bytes(BLOCK), 0)
        handle.shutdown()
        self.servers[0].stop()
        done = self.crash(code=2)
        self.assertIn("no flush and no FUA in 2 writes", done.stderr)
        self.assertEqual(done.stdout, "")
        done = self.crash("--points", "9", check="true")
        self.assertIn("no flush and no FUA in 2 writes", done.stderr)
        self.assertIn("--points 9: there are only 4 states", done.stderr)
        self.assertIn("4 states of the disk", done.stdout)

    def test_dropped_requests_are_no_history(self):
        server = self.serve([config.file_export(self.image, filters=[{"type": "trace", "path": "disk.trace", "payload": "data"}])],
                            within=("/bin/bash", "-c", 'ulimit -f 2048 && exec "$0" "$@"'))
        handle = libnbd.connect(server.uri("disk"))
        for _ in range(30):
            handle.pwrite(os.urandom(256 * 1024), 0)
        handle.shutdown()
        server.stop()
        self.assertEqual(server.log().count("cannot write to"), 1)
        self.assertIn("were dropped", self.crash(code=2).stderr)

    def test_what_is_there_is_not_kept_over(self):
        self.journal(self.traced([{"type": SWALLOW, "which": 7}]), rounds=2)
        other = self.write("other", "dear")
        (self.folder / "link").symlink_to(self.folder / "none")
        before = self.trace.read_bytes()
        for path in (self.base, self.trace, other, self.folder / "link"):
            self.assertIn("is there already", self.crash("--keep", path, code=2, check="false").stderr)
        self.assertEqual((self.trace.read_bytes(), other.read_text()), (before, "dear"))
        self.assertFalse((self.folder / "none").exists())

    def test_the_image_before_the_first_request_is_state_0(self):
        self.journal(self.traced())
        with open(self.base, "r+b") as file:
            file.write((1).to_bytes(8, "little"))
        self.assertIn("ended with exit code 3 for the image as it was before the first request", self.crash(code=1).stdout)

    def test_several_places_have_to_be_told_apart(self):
        layers = [{"type": "trace", "path": f"{tag}.trace", "tag": tag, "payload": "data", "append": True} for tag in ("above", "below")]
        for layer in layers:
            layer["path"] = "disk.trace"
        for layer in layers:
            self.journal(self.serve([config.file_export(self.image, filters=[layer])]), rounds=1)
        self.assertIn('more than one place: "above" of export "disk", "below" of export "disk"', self.crash(code=2).stderr)
        self.crash("--place", "above")

    def test_ctrl_c_ends_it_although_nobody_takes_what_it_prints(self):
        self.journal(self.traced())
        scratch = self.folder / "scratch"
        scratch.mkdir()
        reads, writes = full_pipe.make()
        asking = processes.start([PROGRAM, "trace", "crash", self.trace, "--image", self.base, "--check", "yes bad | head -n 3000; exit 1",
                                  "--scratch", scratch], stdout=writes, stderr=subprocess.PIPE)
        try:
            full_pipe.wait_until_it_waits(asking)
            asking.send_signal(signal.SIGINT)
            self.assertEqual(asking.wait(60), -signal.SIGINT)
            self.assertEqual(asking.stderr.read(), b"ashlar: trace: interrupted\n")
        finally:
            asking.kill()
            asking.wait()
            asking.stderr.close()
            os.close(reads)
            os.close(writes)
        self.assertEqual(list(scratch.iterdir()), [])

    def test_ctrl_c_ends_a_check_that_does_not_want_to(self):
        self.journal(self.traced(), rounds=1)
        ready = self.folder / "ready"
        asking = processes.start([PROGRAM, "trace", "crash", self.trace, "--image", self.base, "--check",
                                  f"trap '' TERM; echo $$ > {ready}; while :; do sleep 1; done"], stderr=subprocess.DEVNULL)
        try:
            while not (ready.exists() and ready.read_text()):
                time.sleep(0.01)
            asking.send_signal(signal.SIGINT)
            self.assertEqual(asking.wait(60), -signal.SIGINT)
        finally:
            asking.kill()
            asking.wait()
        self.assertFalse(os.path.exists(f"/proc/{ready.read_text().strip()}"))

    def test_ctrl_c_ends_it_and_its_check_and_leaves_nothing(self):
        self.journal(self.traced())
        scratch = self.folder / "scratch"
        scratch.mkdir()
        ready = self.folder / "ready"
        asking = processes.start([PROGRAM, "trace", "crash", self.trace, "--image", self.base, "--check",
                                  f"echo $$ > {ready}; exec sleep 1000", "--scratch", scratch], stderr=subprocess.PIPE)
        try:
            while not (ready.exists() and ready.read_text()):
                time.sleep(0.01)
            asking.send_signal(signal.SIGINT)
            self.assertEqual(asking.wait(600), -signal.SIGINT)
            self.assertEqual(asking.stderr.read(), b"ashlar: trace: interrupted\n")
        finally:
            asking.kill()
            asking.wait()
            asking.stderr.close()
        self.assertEqual(list(scratch.iterdir()), [])
        self.assertFalse(os.path.exists(f"/proc/{ready.read_text().strip()}"))


if __name__ == "__main__":
    main()
