"""The frame of the misuse tests: one server, one sin, then a look at the house.

After each test the server has to live, to answer a good client, and to have its memory and descriptors back where they were."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import config, libnbd, processes, wire  # noqa: E402,F401
from lib.case import Case, main  # noqa: E402,F401
from lib.images import MIB, pattern  # noqa: E402
from lib.server import SANITIZED  # noqa: E402

SIZE = 256 * MIB  # sparse; more than twice the largest request
# What allocators keep for later. A leak of payloads or of a thousand sessions is far more than this.
MEMORY_SLACK = (256 if SANITIZED else 32) * MIB
PATIENCE = 60  # seconds; only a failure takes so long


class Household(Case):
    settings = {}
    # AddressSanitizer holds freed memory back to catch late uses; with little of that, growth is the server's.
    environment = {"ASAN_OPTIONS": "quarantine_size_mb=8:thread_local_quarantine_size_kb=64"}

    def setUp(self):
        super().setUp()
        self.clients = []
        self.disk = self.folder / "disk.img"
        self.disk.write_bytes(pattern(MIB))
        with open(self.disk, "r+b") as file:
            file.truncate(SIZE)
        self.server = self.serve([config.file_export(self.disk), config.file_export(self.disk, "sealed", read_only=True)],
                                 environment=self.environment, **self.settings)
        # Whatever is made once and kept is made now.
        for _ in range(3):
            self.good_client()
        self.descriptors = self.settled_descriptors()
        self.memory = processes.resident_bytes(self.server.pid)

    def settled_descriptors(self):
        last, same = -1, 0
        while same < 5:
            now = processes.open_descriptors(self.server.pid)
            last, same = now, same + 1 if now == last else 0
            time.sleep(0.05)
        return last

    def good_client(self):
        handle = libnbd.connect(self.server.uri("disk"))
        self.assert_same(handle.pread(4096, 8192), pattern(MIB)[8192:8192 + 4096], "a good client's read")
        handle.shutdown()

    def tearDown(self):
        for client in self.clients:
            client.close()
        self.assertTrue(self.server.alive(), "the server has ended")
        self.good_client()
        self.wait_until("descriptors are back", lambda: processes.open_descriptors(self.server.pid) <= self.descriptors,
                        lambda: f"{processes.open_descriptors(self.server.pid)} open, {self.descriptors} before")
        self.wait_until("memory is back", lambda: self.growth() <= MEMORY_SLACK, lambda: f"{self.growth() >> 20} MiB more than before")
        super().tearDown()

    def growth(self):
        return processes.resident_bytes(self.server.pid) - self.memory

    def wait_until(self, what, holds, now):
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                self.fail(f"not so: {what}: {now()}")
            time.sleep(0.05)

    def client(self):
        """A raw connection, greeted by nobody yet; closed at the end of the test at the latest."""
        self.clients.append(wire.Client(self.server, PATIENCE))
        return self.clients[-1]

    def talking(self, name="disk", structured=False):
        """A raw client in transmission."""
        return self.client().go(name, structured)

    def assert_dropped(self, client):
        self.assertTrue(client.is_closed(), "the server has not dropped the client")

    def assert_still_in_step(self, client):
        self.assert_same(client.ask(wire.CMD_READ, 512, 512), pattern(MIB)[512:1024], "the next request of the same session")
