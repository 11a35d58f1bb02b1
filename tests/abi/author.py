"""What an author of modules has: an installed ashlar in a folder of its own, compilers, NBD clients.

BUILD: from the command line of the test, `TEST.py BUILD …`."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve()
# Warnings are errors: what an author starts from has none.
FLAGS = "-Wall -Wextra -Wpedantic -Wshadow -Werror"
ENVIRONMENT = {**os.environ, "CFLAGS": FLAGS, "CXXFLAGS": FLAGS, "LDFLAGS": ""}


def run(*command, code=0, **how):
    """Runs a command to its end; returns what it printed. Fails when it ends otherwise than with `code`."""
    result = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
                            **{"env": ENVIRONMENT, **how})
    if result.returncode != code:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def need(*programs):
    """Skips the test where one of the programs is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise unittest.SkipTest(f"not installed: {' '.join(missing)}")


class Author(unittest.TestCase):
    """`root`: a folder of the test's own; in it `prefix`, where BUILD is installed, `ashlar` and `check`, its programs."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="ashlar-sdk-")
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        cls.prefix = cls.root / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.check = cls.prefix / "bin/ashlar-check"
        cls.ashlar = cls.prefix / "bin/ashlar"

    @classmethod
    def build_with_cmake(cls, source, *options):
        """Builds a project out of tree; returns its build folder."""
        folder = cls.root / "build" / source.name
        run("cmake", "-S", source, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={cls.prefix}", *options)
        run("cmake", "--build", folder, "-j", "2")
        return folder

    def keeps_its_promises(self, *words):
        """Tries a module with ashlar-check."""
        said = run(self.check, "--write", *words)
        self.assertNotIn("BROKEN", said)
        self.assertGreater(said.count(" kept\n"), 10)

    def serving(self, *words, log=subprocess.DEVNULL):
        """`with self.serving(config) as uri_of:` serves; uri_of("disk") is the URI of an export."""
        return Server([str(self.ashlar), "serve", *map(str, words)], self.root / f"{self.id().rsplit('.', 1)[-1]}.sock", log)


class Server:
    def __init__(self, command, socket, log):
        self.command = [*command, "--listen", f"unix:{socket}"]
        self.socket = socket
        self.log = log

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        if str(self.socket) not in self.process.stdout.readline():
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"{' '.join(self.command)} did not listen")
        return lambda export: f"nbd+unix:///{export}?socket={self.socket}"

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise AssertionError(f"the server ended with {self.process.returncode}")


def main():
    """Runs the tests of the file; ends with 77 when one of them could not run and none was wrong."""
    # Asked to end, a test still removes what it has made, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False).result
    sys.exit(77 if result.wasSuccessful() and result.skipped else not result.wasSuccessful())
