"""A server that is started by root and becomes another user: who it is, and what it may still do."""

import grp
import os
import pathlib
import pwd
import signal
import subprocess

from frame import MIB, PROGRAM, Case, read_all  # first: it finds lib
from lib import config, libnbd, tls
from lib.case import main

NOBODY = pwd.getpwnam("nobody")
DAEMON = grp.getgrnam("daemon")
VAULT = os.environ["ASHLAR_VAULT"]  # a filter that has a secret


class User(Case):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.disk.chmod(0o600)
        os.chown(self.disk, NOBODY.pw_uid, -1)

    def config(self, *exports, **server):
        return self.write("a.toml", config.toml(exports or [config.file_export(self.disk)], listen=[f"unix:{self.socket}"], **server))

    def ready(self, file, *words, **how):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.start(file, "--ready-fd", writer, *words, pass_fds=[writer], **how)
        os.close(writer)
        self.assertTrue(read_all(reader).startswith("READY=1\n"), file.read_text())
        return process

    def checked(self, file, code, **how):
        done = subprocess.run([PROGRAM, "check", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                              check=False, **how)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    @staticmethod
    def ids(pid):
        """Of every thread, as sets: real, effective, saved and file system's; and the supplementary groups."""
        found = set()
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            lines = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
            found.add(tuple(tuple(lines[key].split()) for key in ("Uid", "Gid", "Groups")) + (lines["CapEff"].strip(),
                                                                                              lines["CapPrm"].strip()))
        return found

    def test_all_threads_are_that_user_for_good_and_have_no_other_groups(self):
        uid, gid, daemon = str(NOBODY.pw_uid), str(NOBODY.pw_gid), str(DAEMON.gr_gid)
        none = "0" * 16
        for server, groups, wanted in (({"user": "nobody"}, (gid,), gid), ({"user": NOBODY.pw_uid, "group": "daemon"}, (daemon,), daemon),
                                       ({"user": 54321, "group": 54321}, (), "54321")):
            uid = str(54321 if server["user"] == 54321 else NOBODY.pw_uid)
            os.chown(self.disk, int(uid), -1)
            process = self.ready(self.config(**server), before=lambda: os.setgroups([0, 1, 2]))
            client = libnbd.connect(f"nbd+unix:///disk?socket={self.socket}")
            client.pwrite(b"x" * 512, 0)
            self.assertEqual(self.ids(process.pid), {((uid,) * 4, (wanted,) * 4, groups, none, none)}, server)
            del client
            process.send_signal(signal.SIGTERM)
            text, code = self.output(process)
            self.assertEqual(code, 0, text)
            self.assertIn(f"({uid}), group ({wanted}) now", text)
            self.socket.unlink(missing_ok=True)

    def test_a_group_alone(self):
        process = self.ready(self.config(group="daemon"), before=lambda: os.setgroups([0, 1, 2]))
        (user, group, groups, *_), = self.ids(process.pid)
        self.assertEqual((user, group, groups), (("0",) * 4, (str(DAEMON.gr_gid),) * 4, ()))

    def test_the_socket_is_opened_before(self):
        self.folder.chmod(0o700)  # nobody may make a file here
        os.chown(self.folder, 0, 0)
        disk = config.memory_export(MIB)
        process = self.ready(self.config(disk, user="nobody"))
        self.assertEqual(libnbd.connect(f"nbd+unix:///?socket={self.socket}").get_size(), MIB)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.output(process)[1], 0)

    def test_what_that_user_may_not_open_is_told_at_the_start(self):
        os.chown(self.disk, 0, 0)
        file = self.config(user="nobody")
        line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if str(self.disk) in text)
        for text in self.refused(file), self.checked(file, 2):
            self.assertRegex(text, rf'a\.toml:{line}:\d+: key "path": as user nobody \({NOBODY.pw_uid}\), group \({NOBODY.pw_gid}\): .*'
                                   rf"{self.disk}.*: Permission denied")
            self.assertNotIn("listening on", text)
        process = self.ready(self.config(config.file_export(self.disk, optional=True), config.memory_export(MIB), user="nobody"))
        self.assertEqual(libnbd.connect(f"nbd+unix:///memory?socket={self.socket}").get_size(), MIB)
        self.assertRaises(libnbd.Error, libnbd.connect, f"nbd+unix:///disk?socket={self.socket}")
        process.kill()

    def test_a_trace_that_user_may_not_write_is_told_by_the_check_and_at_the_start(self):
        traces = self.folder / "traces"
        traces.mkdir()
        traces.chmod(0o755)
        for own in {}, {"ring": "1M"}:
            layer = {"type": "trace", "path": traces / "disk.trace", **own}
            file = self.config({**config.memory_export(MIB), "filters": [layer]}, user="nobody")
            line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "disk.trace" in text)
            for text in self.checked(file, 2), self.refused(file):
                self.assertRegex(text, rf'a\.toml:{line}:\d+: key "path": as user nobody .*: path: cannot make ".*disk\.trace\S*": '
                                       "Permission denied")
            self.assertEqual(list(traces.iterdir()), [])
            # It may write the file that is there, but a ring is renamed when it has a trigger.
            there = traces / ("disk.trace.ring" if own else "disk.trace")
            there.touch()
            os.chown(there, NOBODY.pw_uid, -1)
            if own:
                self.assertRegex(self.checked(file, 2), 'cannot rename ".*disk.trace.ring": Permission denied')
            else:
                self.checked(file, 0)
            there.unlink()
            os.chown(traces, NOBODY.pw_uid, -1)
            self.checked(file, 0)
            self.assertEqual(list(traces.iterdir()), [])
            process = self.ready(file)
            self.assertTrue(there.exists())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(self.output(process)[1], 0)
            there.unlink(missing_ok=True)
            os.chown(traces, 0, -1)

    def test_files_of_tls_that_it_may_not_read_are_told_at_the_start(self):
        pki = self.folder / "pki"
        tls.make(pki, "--server", "localhost")
        key = pki / "server" / "server-key.pem"
        own = {"user": "nobody", "tls": {"mode": "require", "certificates": pki / "server"}}
        warning = f"as user nobody .*: .*{key}: Permission denied; .* chgrp {NOBODY.pw_gid} FILE, and chmod 0640 FILE"

        def said():
            process = self.ready(self.config(**own))
            process.send_signal(signal.SIGTERM)
            return self.output(process)[0]
        self.assertRegex(said(), warning)
        os.chown(key, 0, NOBODY.pw_gid)
        key.chmod(0o640)
        self.assertNotRegex(said(), warning)

    def test_files_that_are_read_again_and_it_may_not_read_are_told_by_serve_and_check(self):
        pki = self.folder / "pki"
        tls.make(pki, "--server", "localhost", "--psk", "alice")
        os.chown(pki, NOBODY.pw_uid, NOBODY.pw_gid)
        secret = self.write("secret", "word")
        (self.folder / "conf.d").mkdir()
        disk = config.memory_export(MIB)
        part = self.write("conf.d/part.toml", f"""[[export]]
name = "vault"
filter = [ {{ type = "{VAULT}", key = {{ file = "../secret" }} }} ]
plugin = {{ type = "memory", size = "1M" }}
""")
        file = self.config(disk, user="nobody", tls={"mode": "require", "certificates": pki / "server", "psk": pki / "keys.psk"})
        file.write_text(f'include = ["conf.d/*"]\n{file.read_text()}')
        closed = {file: f"{file}: Permission denied", part: f"{part}: Permission denied",
                  pki / "server" / "server-key.pem": rf'{file}:\d+:\d+: key "certificates": {pki}/server/server-key.pem: Permission denied',
                  pki / "keys.psk": rf'{file}:\d+:\d+: key "psk": {pki}/keys.psk: Permission denied',
                  secret: rf'{part}:3:\d+: key "key": {part.parent}/../secret: Permission denied'}

        def said_by_serve():
            process = self.ready(file)
            process.send_signal(signal.SIGTERM)
            return self.output(process)[0]

        def said_by_check():
            return subprocess.run([PROGRAM, "check", file], capture_output=True, text=True, check=True).stderr
        for said in (said_by_serve, said_by_check):
            for path in closed:
                path.chmod(0o600)
            for text in closed.values():
                self.assertRegex(said(), f"as user nobody .*: {text}; .* chgrp {NOBODY.pw_gid} FILE")
            for path in closed:
                path.chmod(0o644)
            self.assertNotIn("Permission denied", said())
            self.folder.chmod(0o700)
            self.assertEqual(said().count("Permission denied"), 1)
            self.folder.chmod(0o755)

    def test_a_user_without_a_group_is_told_by_check(self):
        done = subprocess.run([PROGRAM, "check", self.config(config.memory_export(MIB), user=54321)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("[server] user: 54321 is not in the list of users and has no group of its own; add group", done.stderr)

    def test_the_command_is_that_user_and_finds_the_server(self):
        file = self.write("b.toml",
                          f'[server]\nuser = "nobody"\n[[export]]\nname = "x"\nplugin = {{ type = "file", path = "{self.disk}" }}\n')
        temporary = self.folder / "tmp"
        temporary.mkdir()
        temporary.chmod(0o1777)
        process = self.start(file, "--run", "id -u; nbdinfo --size $uri; stat -c %a:%u ${unixsocket%/*}", stderr=subprocess.DEVNULL,
                             env={**os.environ, "TMPDIR": str(temporary)})
        text, code = self.output(process)
        self.assertEqual(code, 0, text)
        self.assertEqual(text.splitlines()[1:], [str(NOBODY.pw_uid), str(MIB), f"700:{NOBODY.pw_uid}"])

    def test_who_is_not_root_cannot_become_another_but_may_be_named(self):
        def as_nobody():
            os.setgroups([])
            os.setgid(NOBODY.pw_gid)
            os.setuid(NOBODY.pw_uid)
        os.chown(self.folder, NOBODY.pw_uid, -1)
        file = self.config(user="daemon")
        file.chmod(0o644)
        text = self.refused(file, code=1, before=as_nobody)
        self.assertRegex(self.checked(file, 0, preexec_fn=as_nobody), r"what user daemon .* may open is not checked: only root may")
        self.assertRegex(text, r"ashlar: \[server\] cannot change the supplementary groups: Operation not permitted; "
                               r"start the server as root")
        process = self.ready(self.config(user="nobody"), before=as_nobody)
        process.kill()

    def test_bad_names_are_refused(self):
        for server, said in (({"user": "no such user"}, 'no user "no such user" on this machine'), ({"group": "no such group"}, "no group"),
                             ({"user": True}, "wanted a string")):
            self.assertIn(said, self.refused(self.config(**server)))
        text = self.refused(self.config(config.memory_export(MIB), user=54321), code=1)
        self.assertIn("[server] user: 54321 is not in the list of users and has no group of its own; add group", text)


if __name__ == "__main__":
    main(needs_root=True, needs=("nbdinfo",))
