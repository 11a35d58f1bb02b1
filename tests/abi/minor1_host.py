#!/usr/bin/env python3
"""A host of a minor to come (minor1.py) loads what was built before it, and keeps what is new from old filters.

$ASHLAR_SOURCE, $ASHLAR_BUILD: the tree and its build; $ASHLAR_OLD_MODULES: folders of modules. Builds ashlar-check and the test of
a chain of old modules, which has the host's loader and chain in it, from a copy of the tree with the headers of that minor."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import minor1

SOURCE, BUILD = pathlib.Path(os.environ["ASHLAR_SOURCE"]), pathlib.Path(os.environ["ASHLAR_BUILD"])
HERE = pathlib.Path(__file__).parent
TARGETS = ("test-abi-old_modules", "ashlar-check")


def run(*command, **how):
    done = subprocess.run(list(map(str, command)), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1500, **how)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-8000:]}")
    return done.stdout


class Minor1Host(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="ashlar-minor1-")
        cls.addClassCleanup(scratch.cleanup)
        root = pathlib.Path(scratch.name)
        shutil.copytree(SOURCE, root / "tree", ignore=shutil.ignore_patterns("build*", ".git"))
        minor1.main(SOURCE / "sdk/include", root / "tree/sdk/include")
        run("cmake", "-S", root / "tree", "-B", root / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0",
            "-DASHLAR_TESTS=ON", "-DASHLAR_QUICK_BUILD=ON")
        run("cmake", "--build", root / "build", "-j", "2", "--target", *TARGETS)
        cls.check = root / "build/bin/ashlar-check"
        cls.test = root / "build/tests/test-abi-old_modules"

    def test_a_chain_of_old_modules_does_what_it_did(self):
        run(self.test, env={**os.environ, "ASHLAR_TEST_MINOR": "1"})

    def test_old_modules_keep_their_promises(self):
        run(sys.executable, HERE / "old_modules.py", "-k", "keep_their_promises", env={**os.environ, "ASHLAR_CHECK": str(self.check)})

    def test_the_modules_of_this_tree_keep_their_promises(self):
        for module, *words in (("plugins/memory.so", "size=1M"), ("filters/align.so",), ("filters/zero-emulation.so",)):
            with self.subTest(module):
                self.assertNotIn("BROKEN", run(self.check, "--write", BUILD / "lib/ashlar" / module, *words))


if __name__ == "__main__":
    unittest.main(verbosity=2)
