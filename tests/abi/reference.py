#!/usr/bin/env python3
"""The reference of the SDK's headers is made without a warning, and has what their comments say.

usage: reference.py SDK DOXYFILE"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SDK = pathlib.Path(sys.argv[1])
SETTINGS = pathlib.Path(sys.argv[2]).read_text()


class Reference(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="ashlar-reference-")
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)

    def make(self, sdk):
        """Makes the pages; returns doxygen's exit code and what it said."""
        settings = f"{SETTINGS}\nOUTPUT_DIRECTORY = {self.root}/pages\n"
        done = subprocess.run(["doxygen", "-"], cwd=sdk, input=settings, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=600)
        return done.returncode, done.stdout

    def pages(self):
        return {file.name: file.read_text() for file in (self.root / "pages/html").glob("*.html")}

    def test_it_is_made_without_a_warning(self):
        self.assertEqual(self.make(SDK), (0, ""))
        pages = self.pages()
        # A class's comment, one above a member, one behind a member, those of abi.h, of a file, and the README.
        for page, text in (("classashlar_1_1Filter.html", "Hands a request to the layer below"),
                           ("structashlar_1_1Geometry.html", "largest read or write in one request"),
                           ("structashlar__io.html", "in which order they take effect"),
                           ("structashlar__host.html", "one line, no newline"),
                           ("files.html", "the C boundary between ashlar and its modules"),
                           ("module_8hpp.html", "makes a class derived from Plugin or Filter into a module"),
                           ("index.html", "From an installed ashlar to a disk that is served")):
            self.assertIn(text, " ".join(pages[page].split()), page)
        self.assertFalse([page for page in pages if "detail" in page])

    def test_a_warning_is_an_error(self):
        # A check that cannot fail checks nothing.
        shutil.copytree(SDK, self.root / "sdk", ignore=shutil.ignore_patterns("check"))
        self.assertEqual(self.make(self.root / "sdk"), (0, ""))
        header = self.root / "sdk/include/ashlar/status.hpp"
        header.write_text(header.read_text().replace("// `code`:", "// \\nonsense `code`:"))
        code, said = self.make(self.root / "sdk")
        self.assertNotEqual(code, 0)
        self.assertIn("nonsense", said)


if __name__ == "__main__":
    if shutil.which("doxygen") is None:
        print("skipped: doxygen is not installed")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
