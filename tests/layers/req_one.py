#!/usr/bin/env python3
"""A client that asks for one extent (NBD_CMD_FLAG_REQ_ONE) gets one, whatever stands in the chain: each plugin and each filter of the
tree, and a plugin that has not offered the flag. Any client may send it: it belongs to no transmission flag."""
import contextlib
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import file_export, memory_export  # noqa: E402
from lib.libnbd import nbd  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.server import PROGRAM  # noqa: E402
from lib.storage import loop_device  # noqa: E402

STRIPES = os.environ.get("ASHLAR_STRIPES", "")
SIZE = 1 << 20
WIDTH = 64 << 10  # of the stripes of data in files and memory
FILTERS = {"align": {"block_size": 4096}, "cache": {"write": "back"}, "cow": {"scope": "connection"},
           "fault": {"volatile": True}, "log": {},
           "offset": {"offset": 4096}, "rate": {"bytes": "64M"}, "readonly": {}, "retry": {}, "trace": {},
           "truncate": {"round_up": 65536}, "zero-emulation": {}}
NEEDS_ITS_OWN_BYTES = {"partition", "xz", "zstd"}
OPTIONAL = {"xz", "zstd"}  # built where there are their libraries
WITHOUT_EXTENTS = {"curl"}  # a build without libcurl lacks it
ELSEWHERE = {"nbd", "rbd"}  # tried over servers of theirs; a build without libnbd or librbd lacks them
PLUGINS = {"block", "file", "memory", "null", "pattern", "split"}


def stripes():
    """[(offset, length), …] of the data in an image of SIZE bytes."""
    return [(at, WIDTH) for at in range(0, SIZE, 2 * WIDTH)]


class ReqOne(Case):
    def chains(self, export):
        """The export by itself, with each filter, and with all of them."""
        filters = [{"type": name, **parameters} for name, parameters in FILTERS.items()]
        for number, chain in enumerate([[], *([one] for one in filters), filters]):
            name = f"{export['name']}-{number}"
            layers = [{**one, "path": str(self.folder / f"{name}.trace")} if one["type"] == "trace" else one for one in chain]
            yield {**export, "name": name, "filters": layers}

    def check(self, export, many=True):
        """`many`: the chain has many extents to tell."""
        exports = list(self.chains(export))
        server = self.serve(exports)
        for one in exports:
            with self.subTest(chain=[layer["type"] for layer in [*one["filters"], one["plugin"]]]):
                handle = libnbd.connect(server.uri(one["name"]))
                size = handle.get_size()
                for offset, length in ((0, size), (1000, size - 1000), (WIDTH + 4096, 8 * WIDTH), (size - 1, 1)):
                    all_of_it = libnbd.extents(handle, length, offset)
                    found = libnbd.extents(handle, length, offset, nbd.CMD_FLAG_REQ_ONE)
                    self.assertEqual(len(found), 1, found[:3])
                    self.assertEqual(found[0][1], all_of_it[0][1])
                    self.assertTrue(0 < found[0][0] <= length, found[:3])
                    if many and length > 8 * WIDTH:
                        self.assertGreater(len(all_of_it), 2)
                handle.shutdown()

    def test_these_are_all_modules_of_the_tree(self):
        there = {(module["kind"], module["name"]) for module in json.loads(run(PROGRAM, "list", "--json"))}
        filters = {name for kind, name in there if kind == "filter"}
        self.assertEqual(filters | OPTIONAL, set(FILTERS) | NEEDS_ITS_OWN_BYTES)
        plugins = {name for kind, name in there if kind == "plugin"}
        self.assertEqual(plugins | WITHOUT_EXTENTS | ELSEWHERE, PLUGINS | WITHOUT_EXTENTS | ELSEWHERE)

    def striped_file(self):
        path = self.sparse_file("disk.img", SIZE)
        with open(path, "r+b") as file:
            for offset, length in stripes():
                file.seek(offset)
                file.write(b"x" * length)
        return path

    def test_a_plugin_that_does_not_offer_it(self):
        self.check({"name": "stripes", "plugin": {"type": STRIPES}})

    def test_file(self):
        self.check(file_export(self.striped_file(), "file"))

    def test_memory(self):
        # Empty: each chain has its own, and some cannot be written to.
        self.check(memory_export(SIZE), many=False)

    def test_memory_with_data(self):
        server = self.serve([memory_export(SIZE)])
        handle = libnbd.connect(server.uri())
        for offset, length in stripes():
            handle.pwrite(b"x" * length, offset)
        self.assertGreater(len(libnbd.extents(handle, SIZE, 0)), 2)
        self.assertEqual(len(libnbd.extents(handle, SIZE, 0, nbd.CMD_FLAG_REQ_ONE)), 1)

    def test_another_server(self):
        if shutil.which("nbdkit") is None:
            self.skipTest("needs nbdkit")
        self.check({"name": "far", "plugin": {"type": "nbd", "command": ["nbdkit", "file", str(self.striped_file())]}})

    def test_null(self):
        self.check({"name": "null", "plugin": {"type": "null", "size": SIZE}}, many=False)

    def test_block(self):
        if os.geteuid() != 0:
            self.skipTest("loop devices need root")
        with contextlib.ExitStack() as stack:
            device = stack.enter_context(loop_device(self.striped_file()))
            self.addCleanup(stack.pop_all().close)
            plugin = {"type": "block", "path": device, "exclusive": False}
            self.check({"name": "block", "plugin": plugin}, many=False)


if __name__ == "__main__":
    main()
