"""The frame of the misuse tests: one server, one sin, then a look at the house.

After each test the server has to live, to answer a good client, and to have its memory and descriptors back where they were."""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import config, libnbd, processes, wire  # noqa: E402,F401
from lib.case import Case, main  # noqa: E402,F401
from lib.images import MIB, pattern  # noqa: E402
from lib.server import SANITIZED, TRANSPORT  # noqa: E402

SIZE = 256 * MIB  # sparse; more than twice the largest request
# What allocators keep for later. A leak of payloads or of a thousand sessions is far more than this.
MEMORY_SLACK = (256 if SANITIZED else 32) * MIB
PATIENCE = 120  # seconds; only a failure takes so long


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
        listen = [f"unix:{self.folder}/0.sock"] + (["tcp:127.0.0.1:0"] if TRANSPORT == "tcp" else [])
        self.server = self.serve([config.file_export(self.disk), config.file_export(self.disk, "sealed", read_only=True)],
                                 listen=listen, environment=self.environment, **self.settings)
        self.sockets = processes.open_sockets(self.server.pid)  # those it listens at
        self.threads = processes.threads(self.server.pid)       # those that no client is the cause of
        # Whatever is made once and kept is made now.
        for _ in range(3):
            self.good_client()
        self.note_what_it_has()

    def can_direct(self):
        """Whether the file system of the disk takes direct reads."""
        try:
            os.close(os.open(self.disk, os.O_RDONLY | os.O_DIRECT))
        except OSError:
            return False
        return True

    def direct_export(self):
        """The disk as "direct", whose reads bypass the page cache; nothing where that cannot be had."""
        plugin = {"type": "file", "path": str(self.disk), "direct": True}
        return [{"name": "direct", "plugin": plugin}] if self.can_direct() else []

    def need_direct(self):
        if not self.can_direct():
            self.skipTest("the file system of temporary files takes no direct reads")

    def note_what_it_has(self):
        """From now on it may have no more memory and descriptors than now, when no client is there."""
        self.wait_for_no_client()
        self.descriptors = processes.open_descriptors(self.server.pid)
        self.memory = processes.resident_bytes(self.server.pid)

    def wait_for_no_client(self):
        self.wait_until("no client is left", lambda: processes.open_sockets(self.server.pid) <= self.sockets,
                        lambda: f"{processes.open_sockets(self.server.pid) - self.sockets} clients")

    def good_client(self):
        handle = libnbd.connect(self.server.uri("disk", TRANSPORT))
        self.assert_same(handle.pread(4096, 8192), pattern(MIB)[8192:8192 + 4096], "a good client's read")
        handle.shutdown()

    def tearDown(self):
        self.let_clients_go()
        self.assertTrue(self.server.alive(), "the server has ended")
        self.good_client()
        self.wait_until("descriptors are back", lambda: processes.open_descriptors(self.server.pid) <= self.descriptors,
                        lambda: f"{processes.open_descriptors(self.server.pid)} open, {self.descriptors} before")
        self.wait_until("memory is back", lambda: self.growth() <= MEMORY_SLACK, lambda: f"{self.growth() >> 20} MiB more than before")
        super().tearDown()

    def let_clients_go(self):
        """Closes all clients and waits until the server has closed them, too."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        if self.server.alive():
            self.wait_for_no_client()

    def growth(self):
        return processes.resident_bytes(self.server.pid) - self.memory

    def wait_until(self, what, holds, now, patience=PATIENCE):
        end = time.monotonic() + patience
        while not holds():
            if time.monotonic() > end:
                self.fail(f"not so: {what}: {now()}")
            time.sleep(0.05)

    def client(self, **how):
        """A raw connection, greeted by nobody yet; closed at the end of the test at the latest."""
        self.clients.append(wire.Client(self.server, PATIENCE, TRANSPORT, **how))
        return self.clients[-1]

    def talking(self, name="disk", structured=False, **how):
        """A raw client in transmission."""
        return self.client(**how).go(name, structured)

    def assert_dropped(self, client):
        self.assertTrue(client.is_closed(), "the server has not dropped the client")

    def assert_still_in_step(self, client):
        self.assert_same(client.ask(wire.CMD_READ, 512, 512), pattern(MIB)[512:1024], "the next request of the same session")
