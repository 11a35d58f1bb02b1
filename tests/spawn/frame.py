"""What the tests here share: a server that is started in all the ways that programs start one."""

import os
import pathlib
import select
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import processes  # noqa: E402
from lib.case import Case as _Case  # noqa: E402
from lib.images import MIB  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

ENOUGH = 120  # seconds; only a hang takes so long


def without(*names, **more):
    """The environment without these variables, and with those."""
    return {**{name: value for name, value in os.environ.items() if name not in names}, **more}


def read_all(descriptor):
    """Until its other end is closed."""
    text, end = b"", time.monotonic() + ENOUGH
    while select.select([descriptor], [], [], max(0, end - time.monotonic()))[0]:
        part = os.read(descriptor, 4096)
        if not part:
            return text.decode()
        text += part
    raise AssertionError(f"the descriptor stays open; it told {text!r}")


class Case(_Case):
    def setUp(self):
        super().setUp()
        self.disk = self.sparse_file("disk.img", MIB)
        self.socket = self.folder / "a.sock"

    def start(self, *words, **how):
        """A server that need not become ready. It is killed at the end, if it is still there."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **how}
        process = processes.start([PROGRAM, "serve", *words], **how)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def output(self, process):
        """All that it prints, and its exit code."""
        text, _ = process.communicate(timeout=ENOUGH)
        return text.decode(), process.returncode

    def refused(self, *words, code=2, **how):
        text, found = self.output(self.start(*words, **how))
        self.assertEqual(found, code, text)
        return text

    def listens(self):
        """Whether clients can connect to the socket: its file is there somewhat earlier."""
        with socket.socket(socket.AF_UNIX) as peer:
            return peer.connect_ex(str(self.socket)) == 0

    def wait_until(self, true, what):
        end = time.monotonic() + ENOUGH
        while not true():
            self.assertLess(time.monotonic(), end, f"in vain waited until {what}")
            time.sleep(0.01)


def is_gone(pid):
    """Whether the process has ended; one that nobody has waited for has, too."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"
