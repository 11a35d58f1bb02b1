#!/usr/bin/env python3
"""The filter cow in a server: what its operator tells it, with clients connected, and what is there after a restart."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import file_export  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

SIZE = 1 << 20
BASE = b"b" * SIZE
PATIENCE = 60  # seconds; only a failure takes so long


class Cow(Case):
    def start(self, **cow):
        self.disk = self.folder / "disk.img"
        if not self.disk.exists():
            self.disk.write_bytes(BASE)
        self.server = self.serve([file_export(self.disk, filters=[{"type": "cow", **cow}])], control=f"unix:{self.folder}/control.sock")

    def ashlar(self, verb, code=0):
        """What the verb answers; the command has to end with `code`."""
        done = subprocess.run([PROGRAM, "control", "--control", f"unix:{self.folder}/control.sock", "disk/cow", verb],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr if code else done.stdout

    def connected(self):
        client = libnbd.connect(self.server.uri("disk"))
        self.addCleanup(client.shutdown)
        return client

    def test_commit_with_a_client_that_goes_on(self):
        overlay = self.folder / "disk.cow"
        self.start(scope="export", path=str(overlay), block_size="4K")
        client = self.connected()
        client.pwrite(b"1" * 10_000, 5000)
        client.flush()
        self.assertEqual(self.disk.read_bytes(), BASE)
        self.assertIn("allocated 12288\n", self.ashlar("status"))
        self.assertEqual(self.ashlar("commit"), "12288 bytes committed\n")
        expected = BASE[:5000] + b"1" * 10_000 + BASE[15_000:]
        self.assertEqual(self.disk.read_bytes(), expected)
        self.assertIn("allocated 0\n", self.ashlar("status"))
        self.assert_same(bytes(client.pread(SIZE, 0)), expected)
        client.pwrite(b"2" * 512, 0)
        self.assertEqual(self.disk.read_bytes(), expected)
        client.flush()
        self.server.stop()
        self.start(scope="export", path=str(overlay), block_size="4K")
        self.assert_same(bytes(self.connected().pread(SIZE, 0)), b"2" * 512 + expected[512:])

    def test_discard_with_a_client_that_goes_on(self):
        self.start(scope="export", store=str(self.folder))
        client = self.connected()
        client.pwrite(b"1" * 512, 70_000)
        self.assertIn("allocated 65536\n", self.ashlar("status"))
        self.assertEqual(self.ashlar("discard"), "65536 bytes discarded\n")
        self.assert_same(bytes(client.pread(SIZE, 0)), BASE)
        self.assertIn("only an overlay with path can be committed", self.ashlar("commit", code=1))
        client.pwrite(b"2" * 512, 0)
        self.assert_same(bytes(client.pread(1024, 0)), b"2" * 512 + BASE[:512])
        self.assertEqual(self.disk.read_bytes(), BASE)

    def test_each_connection_has_its_own(self):
        self.start(scope="connection", store=str(self.folder))
        one, other = self.connected(), self.connected()
        one.pwrite(b"1" * 512, 0)
        self.assertEqual(bytes(other.pread(512, 0)), BASE[:512])
        self.assertEqual(bytes(one.pread(512, 0)), b"1" * 512)
        self.assertIn("each connection has an overlay of its own", self.ashlar("status", code=1))


if __name__ == "__main__":
    main()
