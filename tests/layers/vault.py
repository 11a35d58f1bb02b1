#!/usr/bin/env python3
"""A filter that never writes below, and secrets: what is opened how, and that nobody prints them."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

VAULT = os.environ["ASHLAR_VAULT"]
SIZE = 1 << 20
SECRET = "op3n-sesame"


class VaultCase(Case):
    def config(self, filters, own=""):
        return self.write("a.toml", f'[server]\nlisten = ["unix:{self.folder}/own.sock"]\n[[export]]\nname = "disk"\n{own}\n{filters}\n'
                                    '[export.plugin]\ntype = "file"\npath = "disk.img"\n')


class NeverWritesBelow(VaultCase):
    def setUp(self):
        super().setUp()
        self.image = self.folder / "disk.img"
        self.image.write_bytes(b"x" * SIZE)

    def ways_of_opening(self, server):
        """The access modes (open(2)) of the server's descriptors of the image."""
        found = set()
        for fd in os.listdir(f"/proc/{server.pid}/fd"):
            try:
                if os.readlink(f"/proc/{server.pid}/fd/{fd}") != str(self.image):
                    continue
                info = pathlib.Path(f"/proc/{server.pid}/fdinfo/{fd}").read_text()
            except FileNotFoundError:
                continue
            flags = next(line.split()[1] for line in info.splitlines() if line.startswith("flags:"))
            found.add(int(flags, 8) & os.O_ACCMODE)
        return found

    def test_the_layers_below_are_opened_read_only_and_the_export_is_writable(self):
        server = self.serve_words([self.config(f'[[export.filter]]\ntype = "{VAULT}"')])
        client = libnbd.connect(server.uri("disk"))
        self.assertFalse(client.is_read_only())
        client.pwrite(b"y" * 4096, 0)
        client.flush()
        self.assertEqual(self.ways_of_opening(server), {os.O_RDONLY})
        client.shutdown()
        self.assertEqual(self.image.read_bytes(), b"x" * SIZE)

    def test_without_the_filter_they_are_opened_for_writing(self):
        server = self.serve_words([self.config("")])
        client = libnbd.connect(server.uri("disk"))
        self.assertEqual(self.ways_of_opening(server), {os.O_RDWR})
        client.shutdown()

    def test_no_zero_emulation_is_added_above_a_plugin_that_is_not_written_to(self):
        done = subprocess.run([PROGRAM, "check", self.config(f'[[export.filter]]\ntype = "{VAULT}"')], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("zero-emulation", done.stdout)


class Secrets(VaultCase):
    def setUp(self):
        super().setUp()
        (self.folder / "disk.img").write_bytes(b"x" * SIZE)
        (self.folder / "credentials").mkdir()
        for name in ("door.key", "credentials/door.key"):
            (self.folder / name).write_text(SECRET + "\n")
        self.environment = {"VAULT_KEY": SECRET, "CREDENTIALS_DIRECTORY": str(self.folder / "credentials")}

    def with_key(self, key, more=""):
        return self.config(f'[[export.filter]]\ntype = "{VAULT}"\nkey = {key}\n{more}')

    SOURCES = {f'"{SECRET}"': "key=(secret)",
               '{ file = "door.key" }': 'key=(secret from file "',
               '{ env = "VAULT_KEY" }': 'key=(secret from env "VAULT_KEY")',
               '{ credential = "door.key" }': 'key=(secret from credential "door.key")'}

    def test_the_module_has_it_and_neither_log_nor_check_shows_it(self):
        for key, shown in self.SOURCES.items():
            with self.subTest(key):
                server = self.serve_words([self.with_key(key)], environment=self.environment)
                server.stop()
                self.assertIn(f"the key is (secret), of {len(SECRET)} bytes", server.log())
                self.assertNotIn(SECRET, server.log())
                for more in ((), ("--json",)):
                    done = self.check(self.with_key(key), *more)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertNotIn(SECRET, done.stdout + done.stderr)
                    if not more:
                        self.assertIn(shown, done.stdout)

    def test_no_message_has_it(self):
        for key in self.SOURCES:
            with self.subTest(key):
                for command in ("check", "serve"):
                    done = subprocess.run([PROGRAM, command, self.with_key(key, "refuses = true")], capture_output=True, text=True,
                                          timeout=60, env={**os.environ, **self.environment})
                    self.assertEqual(done.returncode, 2)
                    self.assertIn("the key (secret) does not turn", done.stderr)
                    self.assertNotIn(SECRET, done.stdout + done.stderr)

    def test_one_that_is_not_there_is_told_with_its_place(self):
        for key, said in (('{ file = "absent.key" }', f'key "file": cannot read "{self.folder}/absent.key": No such file or directory'),
                          ('{ env = "NO_SUCH_KEY" }', 'key "env": the environment variable "NO_SUCH_KEY" is not set; set it'),
                          ('{ credential = "absent.key" }', f'key "credential": cannot read "{self.folder}/credentials/absent.key": No')):
            file = self.with_key(key)
            line = file.read_text().split("\n").index(f"key = {key}") + 1
            column = f"key = {key}".index('"') + 1
            done = self.check(file)
            self.assertEqual(done.returncode, 2, key)
            self.assertTrue(done.stderr.startswith(f"{file}:{line}:{column}: {said}"), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def check(self, file, *more):
        return subprocess.run([PROGRAM, "check", file, *more], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **self.environment})


if __name__ == "__main__":
    main()
