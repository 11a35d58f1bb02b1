#!/usr/bin/env python3
"""The filter cache in a server: real clients copy through it, what is written back is there when the server has stopped, and a list from
`ashlar trace prefetch` saves requests."""
import pathlib
import random
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import images, libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import file_export  # noqa: E402
from lib.images import MIB  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

SIZE = 64 * MIB
WAYS = {"through": {"size": "8M"},
        "back": {"size": "8M", "write": "back", "max_dirty": "1M", "block_size": "16K"},
        "back-in-a-file": {"size": "8M", "write": "back", "store": "."}}


class Cache(Case):
    def serve_one(self, image, *filters):
        self.control = f"unix:{self.folder}/control.sock"
        server = self.serve([file_export(image, "disk", filters)], control=self.control)
        return server, server.uri("disk")

    def ashlar(self, *words):
        done = subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def verb(self, layer, name):
        return self.ashlar("control", "--control", self.control, f"disk/{layer}", name)

    def reads_below(self):
        return int(re.search(r"matches=(\d+)", self.verb("fault", "list")).group(1))

    def test_arguments_of_verbs(self):
        self.serve_one(self.sparse_file("disk.img", MIB), {"type": "cache"})
        for verb in ("status", "drop", "warm", "write-back"):
            done = subprocess.run([PROGRAM, "control", "--control", self.control, "disk/cache", verb, "x=1"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertIn('takes no argument, and was given "x=1"', done.stderr)

    def test_copies_by_qemu_img_and_nbdcopy(self):
        source = images.write_sparse(self.folder / "source.img")
        size = source.stat().st_size
        for name, parameters in WAYS.items():
            with self.subTest(way=name):
                image = self.sparse_file(f"{name}.img", size)
                images.fill(image, size, 0xFF)
                server, uri = self.serve_one(image, {"type": "cache", **parameters})
                run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, uri)
                self.assertIn("identical", run("qemu-img", "compare", "-f", "raw", "-F", "raw", source, uri))
                copy = self.folder / "copy.img"
                run("nbdcopy", uri, copy)
                self.assertEqual(images.checksum(copy), images.checksum(source))
                run("nbdcopy", "--flush", source, uri)
                server.stop()
                self.assertEqual(images.checksum(image), images.checksum(source))

    def test_fio_verifies_what_it_wrote(self):
        for name in ("through", "back"):
            with self.subTest(way=name):
                image = self.sparse_file(f"fio-{name}.img", SIZE)
                server, uri = self.serve_one(image, {"type": "cache", **WAYS[name]})
                shown = run("fio", "--name=verify", "--ioengine=nbd", f"--uri={uri}", "--rw=randwrite", "--bsrange=512-64k",
                            "--iodepth=16", "--numjobs=2", "--size=16m", "--offset_increment=32m", "--verify=crc32c",
                            "--verify_fatal=1", "--verify_state_save=0", "--group_reporting", timeout=600)
                self.assertIn("err= 0", shown)
                server.stop()

    def test_what_was_written_back_is_below_when_the_last_client_has_gone(self):
        image = self.sparse_file("disk.img", SIZE)
        server, uri = self.serve_one(image, {"type": "cache", "write": "back"})
        client = libnbd.connect(uri)
        client.pwrite(b"a" * 4096, 8192)
        self.assertEqual(image.read_bytes()[8192:12288], bytes(4096))
        self.assertIn("dirty 4096\n", self.verb("cache", "status"))
        self.assertIn("4096 bytes written below", self.verb("cache", "write-back"))
        self.assertEqual(image.read_bytes()[8192:12288], b"a" * 4096)
        client.pwrite(b"b" * 4096, 8192)
        server.stop()  # with the client still there
        self.assertEqual(image.read_bytes()[8192:12288], b"b" * 4096)

    def test_what_cannot_be_written_back_when_the_server_stops_is_told_by_the_log_alone(self):
        server, uri = self.serve_one(self.sparse_file("disk.img", MIB), {"type": "cache", "size": "1M", "write": "back"},
                                     {"type": "fault", "rules": ["write error=EIO"]})
        client = libnbd.connect(uri)
        client.pwrite(b"x" * 4096, 0)
        client.shutdown()
        server.stop()  # which has to end with exit code 0
        self.assertIn("what was written cannot be written below (Input/output error), and its clients have gone", server.log())
        self.assertIn("4096 bytes that were written are lost", server.log())

    def test_a_list_of_what_a_machine_reads_at_its_start_saves_requests(self):
        image = self.sparse_file("disk.img", SIZE)
        image.write_bytes(random.Random(1).randbytes(SIZE))
        content = image.read_bytes()
        # 300 reads in 10 places.
        dice = random.Random(2)
        reads = [(dice.randrange(10) * 6 * MIB + dice.randrange(255) * 4096, 4096) for _ in range(300)]

        def boot(uri):
            client = libnbd.connect(uri)
            for offset, length in reads:
                self.assertEqual(client.pread(length, offset), content[offset:offset + length])
            client.shutdown()

        trace = self.folder / "boot.trace"
        server, uri = self.serve_one(image, {"type": "trace", "path": str(trace)})
        boot(uri)
        server.stop()
        self.ashlar("trace", "prefetch", str(trace), "-o", str(self.folder / "boot.list"))
        counted = {"type": "fault", "rules": ["read delay=0ms"]}
        cache = {"type": "cache", "block_size": "4K", "readahead": "off"}
        server, uri = self.serve_one(image, cache, counted)
        boot(uri)
        self.assertGreater(self.reads_below(), 200)
        boot(uri)
        self.assertLess(self.reads_below(), 300)
        server.stop()
        server, uri = self.serve_one(image, {**cache, "warm": str(self.folder / "boot.list")}, counted)
        boot(uri)
        self.assertLessEqual(self.reads_below(), 20)
        self.verb("cache", "drop")
        self.verb("cache", "warm")
        before = self.reads_below()
        boot(uri)
        self.assertEqual(self.reads_below(), before)
        server.stop()


if __name__ == "__main__":
    main(needs=["qemu-img", "nbdcopy", "fio"])
