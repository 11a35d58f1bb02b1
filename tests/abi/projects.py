#!/usr/bin/env python3
"""The projects that `ashlar new` writes: the commands it prints build, test, check and serve each of them.

usage: projects.py BUILD"""
import os
import shlex
import subprocess

from author import ENVIRONMENT, Author, main, run

MIB = 1 << 20


class Projects(Author):
    def write(self, *words, folder):
        """Runs `ashlar new`; returns the commands it prints, each as a list of words."""
        said = run(self.ashlar, "new", *words, cwd=folder)
        return [shlex.split(line) for line in said.splitlines() if line.startswith("  ")]

    def folder(self):
        folder = self.root / self.id().rsplit(".", 1)[-1]
        folder.mkdir()
        return folder

    def try_project(self, kind, *options):
        """Makes a project and follows what is printed, up to the clients."""
        folder = self.folder()
        *steps, serve = self.write(kind, "my-disk", *options, folder=folder)
        self.assertEqual([os.path.basename(step[0]) for step in steps], ["cmake", "cmake", "ctest", "ashlar-check"])
        said = [run(*step, cwd=folder) for step in steps]
        self.assertIn("100% tests passed", said[2])
        self.assertNotIn("BROKEN", said[3])
        self.assertGreater(said[3].count(" kept\n"), 10)
        self.assertEqual(serve[1:], ["serve", "my-disk/my-disk.toml"])
        with self.serving(folder / serve[2]) as uri_of:
            self.use_as_client(kind, uri_of("disk"), folder)

    def use_as_client(self, kind, uri, folder):
        image, back = folder / "random.img", folder / "back.img"
        image.write_bytes(os.urandom(MIB))
        # The filter guards the first 4 KiB.
        write = ["qemu-io", "-f", "raw", "-c", f"write -s {image} 1M 1M", uri]
        run(*write)
        run("nbdcopy", uri, back)
        self.assertEqual(back.stat().st_size, 64 * MIB)
        self.assertEqual(back.read_bytes()[MIB:2 * MIB], image.read_bytes())
        refused = subprocess.run(["qemu-io", "-f", "raw", "-c", "write 0 4k", uri], env=ENVIRONMENT, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        self.assertEqual("Operation not permitted" in refused.stdout, kind == "filter", refused.stdout)

    def test_a_plugin(self):
        self.try_project("plugin")

    def test_a_plugin_in_c(self):
        self.try_project("plugin", "--c")

    def test_a_filter(self):
        self.try_project("filter")

    def test_a_filter_in_c(self):
        self.try_project("filter", "--c")

    def test_its_test_can_fail(self):
        # Each of the tests holds the module to what it says it does.
        folder = self.folder()
        for kind, right, wrong in (("plugin", "std::memcpy(bytes_", "std::memset(bytes_"), ("filter", "Status{EPERM}", "Status{EIO}")):
            configure, build, test, *_ = self.write(kind, kind, folder=folder)
            source = folder / kind / f"{kind}.cpp"
            text = source.read_text().replace(right, wrong)
            if kind == "plugin":
                text = text.replace("io.payload().data(), io.length()", "0, io.length()")
            self.assertNotEqual(text, source.read_text())
            source.write_text(text)
            run(*configure, cwd=folder)
            run(*build, cwd=folder)
            self.assertIn("WRONG", run(*test, cwd=folder, code=8))


if __name__ == "__main__":
    main()
