#!/usr/bin/env python3
"""Clients that people use, over each small module: qemu-img and nbdcopy copy what they must, and fio finds again what it wrote."""
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib.case import Case, main  # noqa: E402
from lib.config import file_export  # noqa: E402
from lib.processes import run  # noqa: E402

MIB = 1 << 20
SIZE = 8 * MIB
# Filters that show all of the layer below, by the name of the export.
WHOLE = {
    "align": {"type": "align", "block_size": 4096}, "cow": {"type": "cow", "scope": "export"},
    "small-cow": {"type": "cow", "scope": "export", "block_size": "4K"}, "fault": {"type": "fault", "volatile": True},
    "log": {"type": "log", "level": "trace"}, "rate": {"type": "rate", "bytes": "1G"},
    "retry": {"type": "retry", "reopen": True}, "zero-emulation": {"type": "zero-emulation"},
}


class Clients(Case):
    def image(self, name, size=SIZE):
        path = self.folder / name
        content = random.Random(name).randbytes(size // 2)
        path.write_bytes(content + bytes(size - size // 2))  # half of it zeroes
        return path

    def assert_copied(self, server, name, content):
        """Out of the export, by both."""
        for copy, command in (("nbdcopy.img", ["nbdcopy", server.uri(name)]),
                              ("qemu.img", ["qemu-img", "convert", "-f", "raw", "-O", "raw", server.uri(name)])):
            path = self.folder / f"{name}-{copy}"
            run(*command, path)
            self.assert_same(path.read_bytes(), content, f"{name}: {copy}")

    def assert_written(self, server, name, size=SIZE):
        """Into the export; fio is told to verify what it has written."""
        content = random.Random(f"new {name}").randbytes(size)
        source = self.folder / f"{name}-source.img"
        source.write_bytes(content)
        run("nbdcopy", source, server.uri(name))
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", source, server.uri(name))
        words = ["fio", "--name=verify", "--ioengine=nbd", f"--uri={server.uri(name)}", "--rw=randwrite", "--bs=4k", "--iodepth=32",
                 f"--size={min(size, 2 * MIB) // 4096 * 4096}", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0"]
        shown = run(*words)
        self.assertRegex(shown, r"issued rwts: total=(\d+),\1,0,0")

    def test_filters_over_the_whole_disk(self):
        exports = [file_export(self.image(f"{name}.img"), name, [layer]) for name, layer in WHOLE.items()]
        server = self.serve(exports)
        for name in WHOLE:
            with self.subTest(name=name):
                self.assert_copied(server, name, (self.folder / f"{name}.img").read_bytes())
                self.assert_written(server, name)

    def test_parts_of_a_disk(self):
        first = self.image("parts.img")
        put_mbr(first, MIB, 5 * MIB)
        content = first.read_bytes()
        parts = {"offset": ([{"type": "offset", "offset": "1M", "size": "5M"}], content[MIB:6 * MIB]),
                 "partition": ([{"type": "partition", "number": 1}], content[MIB:6 * MIB]),
                 "truncate": ([{"type": "truncate", "size": "3M"}], content[:3 * MIB]),
                 "longer": ([{"type": "truncate", "round_up": "3M"}], content + bytes(MIB)),
                 "readonly": ([{"type": "readonly"}], content)}
        for name in parts:
            (self.folder / f"{name}.img").write_bytes(content)
        server = self.serve([file_export(self.folder / f"{name}.img", name, filters) for name, (filters, _) in parts.items()])
        for name, (_, shown) in parts.items():
            with self.subTest(name=name):
                self.assert_copied(server, name, shown)
                if name not in ("longer", "readonly"):
                    self.assert_written(server, name, len(shown))
        for name, (begin, end) in {"offset": (MIB, 6 * MIB), "partition": (MIB, 6 * MIB), "truncate": (0, 3 * MIB)}.items():
            around = (self.folder / f"{name}.img").read_bytes()
            self.assertTrue(around[:begin] == content[:begin] and around[end:] == content[end:], name)

    def test_split_and_pattern(self):
        pieces = [self.image(f"piece.{number}", size) for number, size in enumerate((3 * MIB, 1 * MIB + 512, 4 * MIB - 512))]
        content = b"".join(piece.read_bytes() for piece in pieces)
        server = self.serve([{"name": "split", "plugin": {"type": "split", "paths": [str(piece) for piece in pieces]}},
                             {"name": "pattern", "plugin": {"type": "pattern", "size": SIZE}}])
        self.assert_copied(server, "split", content)
        self.assert_written(server, "split")
        self.assert_copied(server, "pattern", b"".join(struct.pack(">Q", at) for at in range(0, SIZE, 8)))


def put_mbr(disk, begin, size):
    """A table with one partition."""
    with open(disk, "r+b") as file:
        file.seek(446)
        file.write(struct.pack("<B3sB3sII", 0, b"", 0x83, b"", begin // 512, size // 512) + bytes(48) + b"\x55\xaa")


if __name__ == "__main__":
    main(needs=["qemu-img", "nbdcopy", "fio"])
