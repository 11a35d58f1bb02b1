"""A server in its sandbox does not take up a config that needs files outside of it, and says so."""

import pathlib
import tempfile
import unittest

from reloading import MIB, PROGRAM, Reloading, config, main

CURL = pathlib.Path(PROGRAM).parents[1] / "lib" / "ashlar" / "plugins" / "curl.so"
KEEP = config.memory_export("1M", "keep")


class Sandbox(Reloading):
    def exports(self):
        return [KEEP]

    def test_a_file_outside_is_told_as_such(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-") as other:
            disk = pathlib.Path(other) / "disk.img"
            disk.write_bytes(bytes(MIB))
            told = self.refused([KEEP, config.file_export(disk, "new")])
            if "no Landlock" in self.server.log():
                self.skipTest("needs Landlock")
            self.assertIn(f'{other} (export "new": file: path) is outside of the sandbox', told)
            self.assertEqual(self.names(), ["keep"])

    @unittest.skipUnless(CURL.exists(), "built without the plugin curl")
    def test_connecting_to_others_is_told_as_such(self):
        told = self.refused([KEEP, {"name": "new", "plugin": {"type": "curl", "url": "http://127.0.0.1:9/disk.img"}}])
        if "no seccomp" in self.server.log():
            self.skipTest("needs seccomp")
        self.assertIn('connecting to others (export "new": curl) is outside of the sandbox', told)
        self.assertEqual(self.names(), ["keep"])


if __name__ == "__main__":
    main()
