#!/usr/bin/env python3
"""Filters with a file of their own over a plugin that keeps no thread: they keep none either, and the bytes are right when many
requests wait at once in one thread."""
import os
import pathlib
import random
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import processes  # noqa: E402
from lib.case import PATIENCE, Case, main  # noqa: E402
from lib.libnbd import connect, nbd  # noqa: E402
from lib.server import PROGRAM, SANITIZED  # noqa: E402

PAGE, PAGES, MIB = 4096, 2048, 1 << 20
CLIENTS, AT_ONCE, ROUNDS = 2, 200, 15
# Threads more than before: what the kernel keeps for a ring, and workers for what makes durable or zeroes, of which a slow disk
# has many at once. Layers that park nothing had 260.
FEW = CLIENTS * AT_ONCE // 3
CHAINS = {
    "cow": {"type": "cow", "scope": "export"},
    "cow of connections": {"type": "cow", "scope": "connection"},
    "cow that is kept": {"type": "cow", "scope": "export", "path": "overlay"},
    "cow that keeps what was read": {"type": "cow", "scope": "export", "on_read": True},
    "cache": {"type": "cache", "size": "1M"},
    "cache in a file": {"type": "cache", "size": "1M", "store": "."},
    "cache that writes back": {"type": "cache", "size": "1M", "store": ".", "write": "back", "max_dirty": "512K"},
}


# Each with blocks of 1 MiB, of which a request touches a page; and by what requests.
LARGE_BLOCKS = {
    "cow that is kept": ({"type": "cow", "scope": "export", "path": "overlay", "block_size": "1M"}, "aio_pwrite"),
    "cow that keeps what was read": ({"type": "cow", "scope": "export", "on_read": True, "block_size": "1M"}, "aio_pread"),
    "cache": ({"type": "cache", "size": "16M", "block_size": "1M"}, "aio_pread"),
}


def most_memory(pid):
    """Bytes that it has had at once so far."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


class Crowd:
    """A client that has many requests under way, on its own pages: each block of a filter is shared with the other client."""

    def __init__(self, uri, number, model, seed):
        self.handle, self.number, self.model = connect(uri), number, model
        self.random = random.Random(seed)
        self.waiting, self.wrong = [], []

    def begin(self):
        flags = nbd.CMD_FLAG_FUA if self.random.random() < 0.1 else 0
        pages = self.random.sample(range(self.number, PAGES, CLIENTS), AT_ONCE)
        for page in pages:
            way = self.random.choice(("write", "write", "zero", "read"))
            at = page * PAGE
            if way == "write":
                bytes_of_it = bytes([self.random.randrange(1, 256)]) * PAGE
                self.model[at:at + PAGE] = bytes_of_it
                self.waiting.append(self.handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(bytes_of_it)), at, flags=flags))
            elif way == "zero":
                self.model[at:at + PAGE] = bytes(PAGE)
                self.waiting.append(self.handle.aio_zero(PAGE, at, flags=flags))
            else:
                buffer, wanted = nbd.Buffer(PAGE), bytes(self.model[at:at + PAGE])

                def look(_error, buffer=buffer, wanted=wanted, page=page):
                    if buffer.to_bytearray() != wanted:
                        self.wrong.append(page)
                    return 0

                self.waiting.append(self.handle.aio_pread(buffer, at, look))
        self.waiting.append(self.handle.aio_flush())

    def end(self):
        while self.waiting:
            self.handle.poll(-1)
            self.waiting = [one for one in self.waiting if not self.handle.aio_command_completed(one)]


class Parked(Case):
    def setUp(self):
        super().setUp()
        self.image = self.folder / "disk.img"
        self.contents = random.Random(1).randbytes(PAGES * PAGE)
        self.image.write_bytes(self.contents)
        try:
            os.close(os.open(self.image, os.O_RDONLY | os.O_DIRECT))
        except OSError:
            self.skipTest("the file system of temporary files takes no direct reads")

    def test_right_bytes_and_few_threads(self):
        for name, layer in CHAINS.items():
            with self.subTest(name):
                self.image.write_bytes(self.contents)
                alone = layer.get("scope") == "connection"
                server = self.serve([{"name": "disk", "plugin": {"type": "file", "path": str(self.image), "direct": True},
                                      "filter": [layer]}])
                models = [bytearray(self.contents) for _ in range(CLIENTS)] if alone else [bytearray(self.contents)] * CLIENTS
                clients = [Crowd(server.uri("disk"), number, models[number], number) for number in range(CLIENTS)]
                before, most = processes.threads(server.pid), 0
                for _ in range(ROUNDS):
                    for client in clients:
                        client.begin()
                    most = max(most, processes.threads(server.pid))
                    for client in clients:
                        client.end()
                for client in clients:
                    self.assertEqual(client.wrong, [])
                    self.assert_same(client.handle.pread(PAGES * PAGE, 0), bytes(client.model), name)
                self.assertLess(most, before + FEW)
                for client in clients:
                    client.handle.shutdown()
                server.stop()

    def test_large_blocks_of_many_requests_take_little_memory(self):
        wide = self.sparse_file("wide.img", 256 * MIB)
        for name, (layer, way) in LARGE_BLOCKS.items():
            with self.subTest(name):
                server = self.serve([{"name": "disk", "plugin": {"type": "file", "path": str(wide), "direct": True}, "filter": [layer]}])
                handle = connect(server.uri("disk"))
                before = most_memory(server.pid)
                page = nbd.Buffer.from_bytearray(bytearray(PAGE))
                waiting = [getattr(handle, way)(page, at) for at in range(0, 256 * MIB, MIB)]
                while waiting:
                    handle.poll(-1)
                    waiting = [one for one in waiting if not handle.aio_command_completed(one)]
                if not SANITIZED:  # they keep what was given back
                    self.assertLess(most_memory(server.pid), before + 128 * MIB)
                handle.shutdown()
                server.stop()

    def test_large_blocks_of_one_client_that_hangs_keep_no_other_from_its_own(self):
        wide = self.sparse_file("wide.img", 256 * MIB)
        for name, (layer, way) in LARGE_BLOCKS.items():
            with self.subTest(name):
                control = f"unix:{self.folder}/{len(self.servers)}-control.sock"
                server = self.serve([{"name": "disk", "plugin": {"type": "file", "path": str(wide), "direct": True},
                                      "filter": [layer, {"type": "fault"}]}], control=control)
                hangs, other = connect(server.uri("disk")), connect(server.uri("disk"))
                fault = [PROGRAM, "control", "--control", control, "disk/fault"]
                processes.run(*fault, "add", f"range=0..{128 * MIB} read hang", timeout=PATIENCE)
                page = nbd.Buffer.from_bytearray(bytearray(PAGE))
                for at in range(0, 64 * MIB, MIB):
                    getattr(hangs, way)(page, at)
                self.wait_until("all the memory is on its way",
                                lambda: "hits=32" in processes.run(*fault, "list", timeout=PATIENCE))
                waiting = [getattr(other, way)(page, at) for at in range(128 * MIB, 144 * MIB, MIB)]

                def are_done():
                    other.poll(0)
                    waiting[:] = [one for one in waiting if not other.aio_command_completed(one)]
                    return not waiting

                self.wait_until("the other's are done", are_done)
                processes.run(*fault, "remove", "1", timeout=PATIENCE)
                other.shutdown()
                server.stop()


if __name__ == "__main__":
    main()
