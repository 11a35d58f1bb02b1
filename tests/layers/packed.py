#!/usr/bin/env python3
"""The filters zstd and xz in a server: files that their tools have made are served, those that cannot be are refused, and the command that
the refusal names makes one that can."""
import os
import pathlib
import re
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import images  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import file_export, toml  # noqa: E402
from lib.images import MIB  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

ARCHIVE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "archive"
LIMITS = {"cache": "32M", "max_frame": "8M"}


class Packed(Case):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk.img"
        self.disk.write_bytes(images.pattern(9 * MIB + 12345))

    def assert_served(self, module, path):
        server = self.serve([file_export(path, "disk", [{"type": module, **LIMITS}])])
        uri, copy = server.uri("disk"), self.folder / "copy.img"
        run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, copy)
        with open(copy, "r+b") as file:
            file.truncate(self.disk.stat().st_size)  # qemu has whole sectors
        self.assertEqual(images.checksum(copy), images.checksum(self.disk))
        copy.unlink()
        run("nbdcopy", uri, copy)
        self.assertEqual(images.checksum(copy), images.checksum(self.disk))
        server.stop()

    def refusal(self, module, path):
        config = self.folder / "refused.toml"
        config.write_text(toml([file_export(path, "disk", [{"type": module, **LIMITS}])]))
        done = subprocess.run([PROGRAM, "check", config], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def assert_refused_and_made_well(self, module, pack, made):
        """`pack` makes `made` as most people would; then it is done as the refusal says."""
        run(*pack)
        said = self.refusal(module, self.folder / made)
        self.assertIn("max_frame = 8388608", said)
        command = re.search(r"make a file of [^:]*: (.*)", said).group(1)
        (self.folder / made).unlink()
        subprocess.run(["bash", "-ec", command], cwd=self.folder, check=True, timeout=300)
        self.assert_served(module, self.folder / made)

    def test_zstd(self):
        self.assert_refused_and_made_well("zstd", ["zstd", "-q", self.disk], "disk.img.zst")

    def test_zstd_of_a_pipe_does_not_state_sizes(self):
        packed = self.folder / "pipe.zst"
        with open(self.disk, "rb") as source, open(packed, "wb") as target:
            cat = subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE)
            subprocess.run(["zstd", "-q", "-c"], stdin=cat.stdout, stdout=target, check=True, timeout=300)
            cat.stdout.close()
            self.assertEqual(cat.wait(60), 0)
        self.assertIn("does not state its size", self.refusal("zstd", packed))

    def test_xz(self):
        self.assert_refused_and_made_well("xz", ["xz", "--keep", "-0", self.disk], "disk.img.xz")

    def test_xz_by_several_threads(self):
        run("xz", "--keep", "-0", "-T2", "--block-size=2MiB", self.disk)
        self.assert_served("xz", self.folder / "disk.img.xz")

    def test_the_archive_of_the_examples(self):
        """The commands of its README, on a disk whose last 8 MiB and a bit are its first partition."""
        with open(self.disk, "r+b") as file:
            file.truncate(9 * MIB + 12288)
            file.seek(446)
            file.write(struct.pack("<B3sB3sII", 0, b"", 0x83, b"", MIB // 512, (8 * MIB + 12288) // 512) + bytes(48) + b"\x55\xaa")
        self.write("archive.toml", (ARCHIVE / "archive.toml").read_text())
        commands = re.search("```sh\n(.*?)```", (ARCHIVE / "README.md").read_text(), re.DOTALL).group(1)
        path = os.pathsep.join([str(pathlib.Path(PROGRAM).parent), os.environ["PATH"]])
        done = subprocess.run(["bash", "-ec", commands], cwd=self.folder, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Images are identical", done.stdout)
        self.assert_same((self.folder / "partition.img").read_bytes(), self.disk.read_bytes()[MIB:], "the partition")


if __name__ == "__main__":
    main(needs=["qemu-img", "nbdcopy", "zstd", "xz"])
