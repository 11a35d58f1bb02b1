#!/usr/bin/env python3
"""The modules of ABI 1.0 before ashlar-check.

$ASHLAR_CHECK: the program; $ASHLAR_OLD_MODULES: folders."""
import os
import pathlib
import subprocess
import unittest

CHECK = os.environ["ASHLAR_CHECK"]
OLD = pathlib.Path(os.environ["ASHLAR_OLD_MODULES"].split(":")[0])


class OldModules(unittest.TestCase):
    def test_they_keep_their_promises(self):
        for name in ("plugin_c", "plugin_cxx", "filter_c", "filter_cxx"):
            with self.subTest(name):
                # Where much else runs, too, each gets the time that it needs.
                words = ["--time", "240", "--write", OLD / f"{name}.so", "depth=4"]
                done = subprocess.run([CHECK, *words], capture_output=True, text=True, timeout=600)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertGreater(done.stdout.count(" kept\n"), 25)


if __name__ == "__main__":
    unittest.main(verbosity=2)
