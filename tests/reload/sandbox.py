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
            line = self.file.read_text().splitlines()[-1]
            place = f"{self.file}:{len(self.file.read_text().splitlines())}:{line.index(str(disk))}"
            self.assertIn(f'{place}: {other} (export "new": file: path) is outside of the sandbox', told)
            (self.folder / "conf.d").mkdir()
            part = self.write("conf.d/new.toml", f'[[export]]\nname = "new"\nplugin = {{ type = "file", path = "{disk}" }}\n')
            self.rewrite([KEEP])
            self.file.write_text(f'include = ["conf.d/*"]\n{self.file.read_text()}')
            told = self.ashlar("reload", code=2)
            self.assertIn(f'{part}:3:34: {other} (export "new": file: path) is outside of the sandbox', told)
            self.assertEqual(self.names(), ["keep"])

    def test_an_included_link_that_leads_outside_is_told_as_such(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-") as other:
            part = pathlib.Path(other) / "part.toml"
            part.write_text('[[export]]\nname = "new"\nplugin = { type = "null", size = "1M" }\n')
            (self.folder / "conf.d").mkdir()
            link = self.folder / "conf.d" / "new.toml"
            link.symlink_to(part)
            self.rewrite([KEEP])
            self.file.write_text(f'include = ["conf.d/*"]\n{self.file.read_text()}')
            if "no Landlock" in self.server.log():
                self.skipTest("needs Landlock")
            self.assertIn(f"{link}: cannot read the config: Permission denied; it leads to {part}, which is outside of the sandbox",
                          self.ashlar("reload", code=2))
            self.assertEqual(self.names(), ["keep"])

    @unittest.skipUnless(CURL.exists(), "built without the plugin curl")
    def test_connecting_to_others_is_told_as_such(self):
        told = self.refused([KEEP, {"name": "new", "plugin": {"type": "curl", "url": "http://127.0.0.1:9/disk.img"}}])
        if "no seccomp" in self.server.log():
            self.skipTest("needs seccomp")
        self.assertIn('connecting to others (export "new": curl) is outside of the sandbox', told)
        self.assertEqual(self.names(), ["keep"])

    def test_another_sandbox_is_told_to_need_a_restart_and_hinders_nothing(self):
        with tempfile.TemporaryDirectory(prefix="ashlar-") as other:
            said = self.reload([KEEP], sandbox={"mode": "auto", "connect": True, "read": [other], "write": [str(self.folder)]})
            self.assertEqual(said["after_restart"], ["sandbox"])

    def test_a_name_that_cannot_be_looked_up_is_told_as_such(self):
        for told in (self.refused([{**KEEP, "allow": [{"user": "nobody"}]}]), self.refused([{**KEEP, "allow": [{"group": "daemon"}]}])):
            if "no Landlock" in self.server.log():
                self.skipTest("needs Landlock")
            self.assertRegex(told,
                             'cannot look up the (user "nobody": /etc/passwd|group "daemon": /etc/group) cannot be read; '
                             'it is outside of the sandbox')
        self.assertRegex(self.refused([KEEP], listen=[f"unix:{self.folder}/0.sock", "tcp:LOCALHOST:0"]),
                         "cannot listen on tcp:LOCALHOST:0: .*; it is outside of the sandbox")


class Names(Reloading):
    """Who has named users and hosts may name others."""

    def exports(self):
        return [{**KEEP, "allow": [{"user": "root"}]}]

    def addresses(self):
        return {**super().addresses(), "listen": [f"unix:{self.folder}/0.sock", "tcp:localhost:0"]}

    def setUp(self):
        super().setUp()
        self.rewrite(self.exports())
        self.server.stop()
        self.server = self.serve_words([self.file], addresses=2)

    def test_other_users_and_groups(self):
        for rule in ({"user": "nobody"}, {"group": "daemon"}):
            self.assertEqual(self.reload([{**KEEP, "allow": [{"user": "root"}, rule]}])["changed"], ["keep"])

    def test_other_hosts(self):
        listen = [f"unix:{self.folder}/0.sock", "tcp:localhost:0", "tcp:LOCALHOST:0"]
        self.assertGreaterEqual(len(self.reload(self.exports(), listen=listen)["listening"]), 1)


if __name__ == "__main__":
    main()
