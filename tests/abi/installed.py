#!/usr/bin/env python3
"""The SDK as an author meets it: installed in a folder of its own, used from outside the tree.

usage: installed.py BUILD EXAMPLES [--sanitize=LIST]

Installs BUILD to a temporary prefix, builds copies of the examples against it, and runs them: ashlar-check, the author's own
test, and the installed program, which also has to find its own modules there."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

BUILD, EXAMPLES = (pathlib.Path(p) for p in sys.argv[1:3])
SANITIZE = next((a.split("=", 1)[1] for a in sys.argv[3:] if a.startswith("--sanitize=")), "")


def run(*command, code=0):
    """Runs a command to its end; returns what it printed. Fails when it ends otherwise than with `code`."""
    result = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    if result.returncode != code:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="ashlar-sdk-")
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.root = pathlib.Path(cls.scratch.name)
        cls.prefix = cls.root / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        # A copy, so that nothing but the prefix can be found from there.
        shutil.copytree(EXAMPLES, cls.root / "examples", ignore=shutil.ignore_patterns("build*"))
        cls.ram = cls.build("01_plugin") / "ram.so"
        cls.invert = cls.build("02_filter") / "invert.so"
        cls.numbers = cls.build("04_plugin_in_c") / "numbers.so"
        cls.check = cls.prefix / "bin/ashlar-check"
        cls.ashlar = cls.prefix / "bin/ashlar"

    @classmethod
    def build(cls, example):
        """Builds one example out of tree, with warnings as errors; returns its build folder."""
        folder = cls.root / "build" / example
        # A module must be sanitized if the program that loads it is.
        flags = "-Wall -Wextra -Wpedantic -Wshadow -Werror" + (f" -fsanitize={SANITIZE}" if SANITIZE else "")
        run("cmake", "-S", cls.root / "examples" / example, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={cls.prefix}",
            f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}", "-DCMAKE_BUILD_TYPE=Release")
        run("cmake", "--build", folder, "-j", "2")
        return folder

    def config(self, text):
        file = self.root / f"{self.id().rsplit('.', 1)[-1]}.toml"
        file.write_text(text)
        return file

    def test_examples_keep_the_promises_of_a_module(self):
        for words in ([self.ram, "size=1M"], [self.invert], [self.numbers]):
            with self.subTest(module=words[0].name):
                said = run(self.check, "--write", *words)
                self.assertNotIn("BROKEN", said)
                self.assertGreater(said.count(" kept\n"), 10)

    def test_a_module_exports_one_symbol(self):
        for module in (self.ram, self.invert, self.numbers):
            with self.subTest(module=module.name):
                symbols = [line.split()[-1] for line in run("nm", "-D", "--defined-only", module).splitlines()]
                self.assertEqual(symbols, ["ashlar_entry"])

    def test_the_authors_own_test_passes(self):
        folder = self.build("03_test")
        said = run("ctest", "--test-dir", folder, "--output-on-failure")
        self.assertIn("100% tests passed", said)

    def test_the_program_loads_what_was_built_outside(self):
        file = self.config(f"""
[server]
listen = ["unix:{self.root}/never-opened.sock"]
[[export]]
name = "disk"
  [[export.filter]]
  type = "{self.invert}"
  [[export.filter]]
  type = "align"
  [export.plugin]
  type = "{self.ram}"
  size = "1M"
""")
        said = run(self.ashlar, "check", file)
        for word in ("invert", "align", "ram"):
            self.assertIn(word, said)

    def test_inspect_shows_the_table(self):
        said = run(self.ashlar, "inspect", self.ram)
        for word in ("ram", "a disk in memory", "size", "64M"):
            self.assertIn(word, said)

    def test_list_finds_modules_beside_the_installed_program(self):
        said = run(self.ashlar, "list")
        for word in ("memory", "file", "log", "align", "zero-emulation"):
            self.assertIn(word, said)

    def test_bytes_survive_a_chain_of_modules_built_outside(self):
        socket = self.root / "nbd.sock"
        file = self.config(f"""
[server]
listen = ["unix:{socket}"]
[[export]]
name = "disk"
  [[export.filter]]
  type = "{self.invert}"
  [export.plugin]
  type = "{self.ram}"
  size = "1M"
[[export]]
name = "numbers"
  [export.plugin]
  type = "{self.numbers}"
  size = "1M"
""")
        with subprocess.Popen([self.ashlar, "serve", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True) as server:
            try:
                self.assertIn(str(socket), server.stdout.readline())  # ready
                image = self.root / "random.img"
                image.write_bytes(os.urandom(1 << 20))
                back = self.root / "back.img"
                run("nbdcopy", image, f"nbd+unix:///disk?socket={socket}")
                run("nbdcopy", f"nbd+unix:///disk?socket={socket}", back)
                self.assertEqual(back.read_bytes(), image.read_bytes())
                run("nbdcopy", f"nbd+unix:///numbers?socket={socket}", back)
                expected = b"".join(at.to_bytes(8, "big") for at in range(0, 1 << 20, 8))
                self.assertEqual(back.read_bytes(), expected)
            finally:
                server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(60), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
