"""The frame of all tests here: a folder of its own, servers that are stopped and judged, a log when something failed."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from . import config, tls
from .server import TRANSPORT, Server

PATIENCE = 60  # seconds; only a failure takes so long
SKIPPED = 77  # ctest's SKIP_RETURN_CODE: reported as skipped, not as passed


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="ashlar-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.servers = []
        self.logs = []

    def run(self, result=None):
        result = result if result is not None else self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for log in getattr(self, "logs", []):
                print(f"--- end of the server's log in {self.id()}:\n{log[-4000:]}", file=sys.stderr)
        return result

    def serve(self, exports, listen=None, environment=None, within=(), **settings):
        """Starts a server for `exports`; at the end of the test it has to stop well. It wants TLS when clients come so."""
        number = len(self.servers)
        if TRANSPORT == "tls":
            settings = {"tls": tls.settings(), **settings}
        listen = listen or [f"unix:{self.folder}/{number}.sock"]
        file = self.write(f"{number}.toml", config.toml(exports, listen=listen, **settings))
        return self.serve_words([file], addresses=len(listen), environment=environment, within=within)

    def serve_words(self, words, addresses=1, environment=None, within=()):
        server = Server(words, self.folder / f"{len(self.servers)}.log", addresses, environment, within)
        self.servers.append(server)
        self.addCleanup(self._finish, server)
        return server

    def _finish(self, server):
        try:
            server.stop()
        finally:
            self.logs.append(server.log())

    def wait_until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.01)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def assert_same(self, found, wanted, what=""):
        """Equal bytes; says where they part instead of printing megabytes."""
        if found == wanted:
            return
        if len(found) != len(wanted):
            self.fail(f"{what} {len(found)} bytes instead of {len(wanted)}")
        first = next(i for i, (a, b) in enumerate(zip(found, wanted)) if a != b)
        self.fail(f"{what} differs first at byte {first}: {bytes(found[first:first + 16])!r}, not {bytes(wanted[first:first + 16])!r}")

    def sparse_file(self, name, size):
        path = self.folder / name
        with open(path, "wb") as file:
            file.truncate(size)
        return path


def skip(lacks):
    """Ends the program, which cannot run on this machine, and says why."""
    print(f"skipped: {lacks}")
    sys.exit(SKIPPED)


def names_of_tests():
    """Of the file that runs."""
    file = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    return [test.id().removeprefix("__main__.") for case in file for test in case]


def run_at_once(names):
    """Runs each test in a process of its own, all at the same time, and ends with the worst exit code."""
    running = [subprocess.Popen([sys.executable, sys.argv[0], name]) for name in names]
    try:
        codes = {process.wait() for process in running}
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            process.wait()
    sys.exit(0 if codes == {0} else SKIPPED if codes <= {0, SKIPPED} else 1)


def main(needs_root=False, needs=(), at_once=False):
    """Runs the tests of the file. `needs`: programs without which none of them can run. `at_once`: all at the same time, for
    tests that wait more than they work. Where a test was skipped the exit code is SKIPPED, unless another has failed."""
    if needs_root and os.geteuid() != 0:
        skip("needs root")
    # Those of administrators, which users' shells may not look for.
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    lacking = [program for program in needs if shutil.which(program, path=folders) is None]
    if lacking:
        skip(f"needs {', '.join(lacking)}")
    # Asked to end, a test still removes what it has made, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if at_once and len(sys.argv) == 1:
        run_at_once(names_of_tests())
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.skipped else 0)
