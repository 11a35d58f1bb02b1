#!/usr/bin/env python3
"""ashlar-check finds every lie, and none in the modules of this tree."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = os.environ["ASHLAR_CHECK"]
LIARS = pathlib.Path(os.environ["ASHLAR_LIARS"])
MODULES = pathlib.Path(os.environ["ASHLAR_MODULES"])

# Lies that look like a disk that cannot be opened with these parameters.
UNUSABLE = {"create_fails", "create_fails_silently", "create_throws", "open_fails", "describe_fails"}
# What only shows itself to a host that is not this one.
INNOCENT = {"offers_unknown"}
CONFIGURED = {
    "align": [[], ["block_size=512"], ["block_size=64K"], ["policy=error", "block_size=512"]],
    "log": [[], ["level=trace"]],
    "offset": [[], ["offset=512", "size=300K"]],
    "readonly": [[]],
    "zero-emulation": [[], ["chunk=4K"]],
    "memory": [["--write", "size=3000000"], ["--write", "size=512"], ["size=0"]],
    "null": [["size=1T"], ["size=1000"]],
}


def check(*words):
    return subprocess.run([CHECK, *map(str, words)], capture_output=True, text=True, timeout=600)


def has_direct_io(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        return True
    except OSError:
        return False


class Check(unittest.TestCase):
    def test_finds_every_lie(self):
        liars = sorted(LIARS.glob("*.so"))
        self.assertGreater(len(liars), 30)
        for file in liars:
            with self.subTest(lie=file.stem):
                done = check(file)
                wanted = 2 if file.stem in UNUSABLE else 0 if file.stem in INNOCENT else 1
                self.assertEqual(done.returncode, wanted, done.stdout + done.stderr)
                if wanted == 1:
                    self.assertIn("BROKEN: ", done.stdout)

    def test_finds_none_in_our_own_modules(self):
        for file in sorted(MODULES.glob("*/*.so")):
            for words in CONFIGURED.get(file.stem, []):
                with self.subTest(module=file.stem, words=words):
                    options = [word for word in words if word.startswith("--")]
                    done = check(*options, file, *[word for word in words if word not in options])
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_file_on_disk(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            for size in (1, 1000700, 1 << 22):
                image = pathlib.Path(folder) / "disk.img"
                with open(image, "wb") as file:
                    file.truncate(size)
                for direct in (["direct=false", "direct=true"] if has_direct_io(image) else ["direct=false"]):
                    with self.subTest(size=size, direct=direct):
                        done = check("--write", MODULES / "plugins/file.so", f"path={image}", direct)
                        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_does_not_write_to_a_plugin_unasked(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-check-") as folder:
            image = pathlib.Path(folder) / "disk.img"
            content = os.urandom(1 << 16)
            image.write_bytes(content)
            done = check(MODULES / "plugins/file.so", f"path={image}")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("needs --write", done.stdout)
            self.assertEqual(image.read_bytes(), content)

    def test_wrong_usage(self):
        memory = MODULES / "plugins/memory.so"
        for words, said in (([], "which module?"), (["/nowhere.so"], "/nowhere.so is not a file"), (["--wat", memory], "--wat"),
                            ([memory, "size"], "KEY=VALUE"), ([memory, "sise=1"], "sise"), ([memory], "size"),
                            ([memory, "size=many"], "many")):
            with self.subTest(words=words):
                done = check(*words)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
