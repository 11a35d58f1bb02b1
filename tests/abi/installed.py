#!/usr/bin/env python3
"""The SDK as an author meets it: installed in a folder of its own, used from outside the tree.

usage: installed.py BUILD EXAMPLES [--sanitize=LIST]

Installs BUILD to a temporary prefix, builds copies of the examples against it, and runs them: ashlar-check, the author's own
test, and the installed program, which also has to find its own modules there."""
import os
import pathlib
import shutil
import sys

from author import Author, main, run

EXAMPLES = pathlib.Path(sys.argv[2])


class Installed(Author):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A copy, so that nothing but the prefix can be found from there.
        cls.examples = cls.root / "examples"
        shutil.copytree(EXAMPLES, cls.examples, ignore=shutil.ignore_patterns("build*"))
        cls.ram = cls.build("01_plugin") / "ram.so"
        cls.invert = cls.build("02_filter") / "invert.so"
        cls.numbers = cls.build("04_plugin_in_c") / "numbers.so"

    @classmethod
    def build(cls, example):
        return cls.build_with_cmake(cls.examples / example)

    def config(self, text):
        file = self.root / f"{self.id().rsplit('.', 1)[-1]}.toml"
        file.write_text(text)
        return file

    def test_examples_keep_the_promises_of_a_module(self):
        for words in ([self.ram, "size=1M"], [self.invert], [self.numbers]):
            with self.subTest(module=words[0].name):
                self.keeps_its_promises(*words)

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
        file = self.config(f"""
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
        image, back = self.root / "random.img", self.root / "back.img"
        image.write_bytes(os.urandom(1 << 20))
        with self.serving(file) as uri_of:
            run("nbdcopy", image, uri_of("disk"))
            run("nbdcopy", uri_of("disk"), back)
            self.assertEqual(back.read_bytes(), image.read_bytes())
            run("nbdcopy", uri_of("numbers"), back)
        expected = b"".join(at.to_bytes(8, "big") for at in range(0, 1 << 20, 8))
        self.assertEqual(back.read_bytes(), expected)


if __name__ == "__main__":
    main()
