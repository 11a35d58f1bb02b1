"""A config with a mistake changes nothing; who asked is told of all mistakes, and so is the log."""

import json
import os
import signal
import socket

from reloading import MIB, READ, Reloading, config, main, processes

KEEP = config.memory_export("1M", "keep")


class Mistakes(Reloading):
    def exports(self):
        return [KEEP]

    def setUp(self):
        super().setUp()
        self.old = self.client("keep")
        self.before = self.told()

    def told(self):
        status = self.status()
        return [(one["name"], one["chain"], one["connections"]) for one in status["exports"]]

    def assert_nothing_changed(self):
        self.assertEqual(self.told(), self.before)
        self.assertEqual(self.names(), ["keep"])
        self.assertEqual(self.old.ask(READ, 0, 4), bytes(4))

    def test_a_mistake_of_each_kind_changes_nothing(self):
        new = config.memory_export("1M", "new")
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(str(self.folder / "taken.sock"))
        other.listen()
        listen = [f"unix:{self.folder}/0.sock", f"unix:{self.folder}/taken.sock"]
        for exports, server, said in (
                ([new], {"log_level": "loud"}, "loud"),
                ([new, {**KEEP, "plugin": {"type": "memroy", "size": "1M"}}], {}, "did you mean \"memory\""),
                ([new, config.memory_export("1X")], {}, "size"),
                ([new, config.file_export(self.folder / "missing.img")], {}, "missing.img"),
                ([{**new, "allow": [{"user": "no-such-user"}]}], {}, "no-such-user"),
                ([new], {"listen": listen}, "taken.sock"),
                ([new], {"listen": [f"unix:{self.folder}/no/where.sock"]}, "where.sock"),
                ([new], {"control": f"unix:{self.folder}/no/control.sock"}, "control.sock"),
                ([new], {"metrics": f"unix:{self.folder}/no/metrics.sock"}, "metrics.sock"),
                ([new], {"tls": {"mode": "require", "certificates": str(self.folder / "no")}}, "certificates"),
                ([new], {"module_path": [str(self.folder / "no")]}, "module_path"),
                ([new], {"listen": ["fd:door"]}, "fd:door")):
            with self.subTest(said):
                told = self.refused(exports, **server)
                self.assertIn(said, told)
                self.assertIn("nothing has changed", told)
                self.assert_nothing_changed()
        self.assertEqual(self.reload([KEEP, new])["added"], ["new"])

    def test_a_pipe_in_the_place_of_a_config_is_not_waited_for(self):
        self.file.unlink()
        os.mkfifo(self.file)
        self.assertIn(f"{self.file}: cannot read the config: it has become a pipe", self.ashlar("reload", code=2))
        self.file.unlink()
        (self.folder / "conf.d").mkdir()
        os.mkfifo(self.folder / "conf.d" / "a.toml")
        self.rewrite([KEEP])
        self.file.write_text(f'include = ["conf.d/*"]\n{self.file.read_text()}')
        self.assertIn(f"{self.folder}/conf.d/a.toml: cannot read the config: it is not a regular file", self.ashlar("reload", code=2))
        self.assert_nothing_changed()

    def test_all_mistakes_are_told_with_their_lines(self):
        self.file.write_text("[server]\nlog_level = 1\n[[export]]\nname = \"a\"\n[export.plugin]\ntype = \"memroy\"\n")
        told = self.ashlar("reload", code=2).splitlines()
        self.assertTrue(told[0].startswith(f"{self.file}:2:13: "), told)
        self.assertTrue(told[1].startswith(f"{self.file}:6:8: "), told)
        self.assertEqual(told[2], "ashlar: the config has mistakes: nothing has changed")
        for line in told[:2]:
            self.wait_for_line("error reload: " + line)
        self.assert_nothing_changed()

    def test_an_address_that_cannot_be_listened_at_is_told_with_its_place(self):
        for key in ("listen", "control", "metrics"):
            where = f"unix:{self.folder}/no/where.sock"
            told = self.refused([KEEP], **{key: [where] if key == "listen" else where})
            line = 1 + next(i for i, line in enumerate(self.file.read_text().split("\n")) if line.startswith(f"{key} ="))
            self.assertRegex(told, f'{self.file}:{line}:[0-9]+: key "{key}": cannot listen on {where}')

    def test_what_is_no_config_changes_nothing(self):
        for spoil in (lambda: self.file.write_text("[[["), self.file.unlink, self.file.mkdir):
            spoil()
            self.ashlar("reload", code=2)
            self.assert_nothing_changed()

    def test_hangup_tells_the_log(self):
        self.file.write_text("[[[")
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for_line("nothing has changed")
        self.assert_nothing_changed()

    def test_what_was_opened_for_it_is_closed_again(self):
        disk = self.sparse_file("new.img", MIB)
        self.refused([config.file_export(disk, "new"), KEEP],
                     listen=[f"unix:{self.folder}/new.sock", f"unix:{self.folder}/no/where.sock"])
        self.assertFalse((self.folder / "new.sock").exists())
        self.wait_until("the file is closed", lambda: str(disk) not in processes.open_files(self.server.pid))

    def test_for_programs_they_are_json(self):
        self.file.write_text("[[[")
        peer = self.raw()
        peer.sendall(b'{"command": "reload"}\n')
        with peer.makefile() as answers:
            answer = json.loads(answers.readline())
        self.assertEqual((answer["ok"], answer["code"], len(answer["mistakes"])), (False, 2, 1))


if __name__ == "__main__":
    main(at_once=True)
