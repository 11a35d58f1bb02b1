"""Every mistake in a config: exit code 2, one line on stderr that says where, what and what to do, and no socket opened."""

import json
import os
import shutil
import socket
import subprocess

from lib import processes
from lib.case import Case, main
from lib.server import PROGRAM

# A module built for another ABI; made by CMake for this test.
OTHER_ABI = os.environ.get("ASHLAR_OTHER_ABI_MODULE", "")
PLACE = "§"  # in a config here: where the mistake is to be found; taken out before it is served

GOOD = """
[[export]]
name = "disk"
  [export.plugin]
  type = "memory"
  size = "1M"
"""


def with_export(plugin='type = "memory"\n  size = "1M"', own='name = "disk"', filters=""):
    return f"\n[[export]]\n{own}\n{filters}\n  [export.plugin]\n  {plugin}\n"


class ConfigMistakes(Case):
    def setUp(self):
        super().setUp()
        # The config's first address is taken: a server that opened its sockets before it found the mistake would fail at that.
        busy = socket.socket()
        self.addCleanup(busy.close)
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        self.port = busy.getsockname()[1]

    def assert_mistake(self, text, *words, server=""):
        listen = f'listen = ["unix:{self.folder}/ashlar.sock", "tcp:127.0.0.1:{self.port}"]'
        text = f"[server]\n{'' if 'listen' in server else listen}\n{server}\n{text}"
        before = text[:text.index(PLACE)]
        line, column = before.count("\n") + 1, len(before.split("\n")[-1]) + 1
        file = self.write("wrong.toml", text.replace(PLACE, ""))
        for command in ("serve", "check"):
            said = self.says(command, file)
            self.assertTrue(said.startswith(f"{file}:{line}:{column}: "), f"{command}: not at {line}:{column}: {said}")
            for word in words:
                self.assertIn(word, said, command)

    def says(self, command, file):
        """What a command that has to fail with exit code 2 says on stderr: one line, and nothing is left behind."""
        # The patience is for a server that took the mistake for good and runs.
        done = subprocess.run([PROGRAM, command, str(file)], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 2, f"{command}: {done.stdout}{done.stderr}")
        self.assertEqual(done.stderr.count("\n"), 1, f"{command}: not one line: {done.stderr!r}")
        self.assertFalse((self.folder / "ashlar.sock").exists(), command)
        if command == "serve":
            self.assertEqual(done.stdout, "")
        return done.stderr

    def test_the_same_config_without_a_mistake_is_good(self):
        file = self.write("good.toml", f'[server]\nlisten = ["unix:{self.folder}/ashlar.sock"]\n{GOOD}')
        self.assertIn("OK", processes.run(PROGRAM, "check", file))
        self.serve_words([file])

    def test_in_an_included_file(self):
        (self.folder / "conf.d").mkdir()
        main = self.write("main.toml", f'include = ["conf.d/*.toml"]\n{GOOD}')
        file = self.write("conf.d/a.toml", '[[export]]\nname = "a"\nplugin = { type = "memory", size = "1M", color = 3 }\n')
        for command in ("serve", "check"):
            self.assertTrue(self.says(command, main).startswith(f"{file}:3:42: "), command)

    # ---- The file ----

    def test_not_there(self):
        self.assertIn("No such file or directory", self.says("serve", self.folder / "absent.toml"))

    def test_a_folder(self):
        folder = self.folder / "folder.toml"
        folder.mkdir()
        self.assertIn("directory", self.says("serve", folder))

    def test_no_toml(self):
        self.assert_mistake(GOOD.replace('name = "disk"', 'name = §disk"'))

    def test_empty(self):
        file = self.write("empty.toml", "")
        self.assertIn(f"{file}:1:1: ", self.says("serve", file))

    def test_in_a_config_from_a_pipe(self):
        for command in ("serve", "check"):
            done = subprocess.run([PROGRAM, command, "/dev/stdin"], input="[server]\nworkers = 0\n" + GOOD, capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertTrue(done.stderr.startswith("/dev/stdin:2:11: "), done.stderr)
            done = subprocess.run(["bash", "-c", f'"{PROGRAM}" {command} <(echo "[sever]")'], capture_output=True, text=True,
                                  timeout=60)
            self.assertRegex(done.stderr, r'^/dev/fd/[0-9]+:1:2: key "sever"')

    # ---- Keys and values ----

    def test_unknown_key_of_the_server(self):
        self.assert_mistake(GOOD, '"log_levle"', '"log_level"', server='§log_levle = "info"')

    def test_include_below_the_header_of_the_server(self):
        self.assert_mistake(GOOD, '"include"', "write it above [server]", server='§include = ["conf.d/*.toml"]')

    def test_unknown_table(self):
        self.assert_mistake(GOOD + "\n[§exprot]\n", '"exprot"', '"export"')

    def test_unknown_key_of_an_export(self):
        self.assert_mistake(with_export(own='name = "disk"\n§readonly = true'), '"readonly"', '"read_only"')

    def test_unknown_key_of_a_plugin(self):
        self.assert_mistake(with_export('type = "file"\n  §pth = "disk.img"'), '"pth"', '"path"')

    def test_unknown_key_of_a_filter(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = "align"\n§blocksize = 4096'), '"blocksize"', '"block_size"')

    def test_wrong_type_of_a_server_key(self):
        self.assert_mistake(GOOD, '"max_connections"', "integer", server='max_connections = §"many"')

    def test_wrong_type_of_an_export_key(self):
        self.assert_mistake(with_export(own='name = §7'), '"name"', "string")

    def test_wrong_type_of_a_parameter(self):
        self.assert_mistake(with_export('type = "file"\n  path = §true'), '"path"', "string")

    def test_out_of_range_in_the_server(self):
        self.assert_mistake(GOOD, '"max_connections"', "1000000", server="max_connections = §0")

    def test_out_of_range_timeout(self):
        self.assert_mistake(GOOD, '"handshake_timeout"', server="handshake_timeout = §0")

    def test_out_of_range_payload(self):
        self.assert_mistake(GOOD, '"max_payload"', "64M", server='max_payload = §"65M"')

    def test_out_of_range_parameter(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = "align"\nblock_size = §"1T"'), '"block_size"')

    def test_not_a_size(self):
        self.assert_mistake(with_export('type = "memory"\n  size = §"1.5 M"'), '"size"', "1.5 M")

    def test_not_a_choice(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = "align"\npolicy = §"wide"'), '"policy"', "rmw", "error")

    def test_not_an_address(self):
        for address in ("127.0.0.1:10809", "tcp:127.0.0.1", "tcp:127.0.0.1:99999", "unix:", "udp:127.0.0.1:1", "unix:/" + "x" * 120):
            self.assert_mistake(GOOD, '"listen"', server=f'listen = [§"{address}"]')

    def test_a_socket_for_nobody_there_is(self):
        for key, wrong, said in (("owner", "no-such-user", "no user"), ("group", "no-such-group", "no group"),
                                 ("mode", "0888", "not a mode")):
            self.assert_mistake(GOOD, f'"{key}"', f'"{wrong}"', said,
                                server=f'listen = [{{ unix = "{self.folder}/ashlar.sock", {key} = §"{wrong}" }}]')

    def test_not_a_list(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = "log"\nops = §"write"'), '"ops"', "array")

    def test_an_item_of_a_list_that_is_not_a_choice(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = "log"\nops = ["write", §"wirte"]'), '"ops"', "wirte", '"write"')

    def test_a_list_where_one_value_is_wanted(self):
        self.assert_mistake(with_export('type = "file"\n  path = §["a.img", "b.img"]'), '"path"', "an array", "a string")

    # ---- Several ----

    def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(self):
        text = f"""[server]
listen = ["unix:{self.folder}/ashlar.sock", §"udp::1"]
§log_levle = "info"

[[export]]
name = "disk"
§readonly = true
  [[export.filter]]
  type = §"lgo"
  [[export.filter]]
  type = "align"
  policy = §"wide"
  [export.plugin]
  type = "file"
  path = "disk.img"
  direct = §1

[[export]]
name = "gone"
  [export.plugin]
  type = "file"
  path = §"absent.img"

[[export]]
name = §"disk"
  [export.plugin]
  type = "memory"
  size = "1M"
"""
        places = [(number, column + 1) for number, line in enumerate(text.split("\n"), 1)
                  for column in range(len(line)) if line[column] == PLACE]
        file = self.write("wrong.toml", text.replace(PLACE, ""))
        for command in ("serve", "check"):
            done = subprocess.run([PROGRAM, command, str(file)], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, command)
            self.assertEqual(done.stdout, "", command)
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), len(places), done.stderr)
            for line, (number, column) in zip(lines, places):
                self.assertTrue(line.startswith(f"{file}:{number}:{column}: key "), line)
            self.assertFalse((self.folder / "ashlar.sock").exists(), command)

    def test_of_many_mistakes_the_first_twenty_are_told(self):
        file = self.write("many.toml", "[server]\n" + "".join(f"q{i} = 1\n" for i in range(30)) + GOOD)
        for command in ("serve", "check"):
            done = subprocess.run([PROGRAM, command, str(file)], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, command)
            self.assertEqual(len(done.stderr.splitlines()), 21, command)
            self.assertEqual(done.stderr.splitlines()[-1], "and 10 more", command)

    # ---- Missing ----

    def test_no_exports(self):
        file = self.write("none.toml", f'[server]\nlisten = ["unix:{self.folder}/ashlar.sock"]\n')
        said = self.says("serve", file)
        self.assertIn(f"{file}:1:1: ", said)
        self.assertIn('"export"', said)

    def test_missing_name(self):
        self.assert_mistake(with_export(own="").replace("[[export]]", "§[[export]]"), '"name"')

    def test_missing_plugin(self):
        self.assert_mistake('\n§[[export]]\nname = "disk"\n', '"plugin"')

    def test_missing_type(self):
        self.assert_mistake(with_export('size = "1M"').replace("[export.plugin]", "§[export.plugin]"), '"type"')

    def test_missing_parameter(self):
        self.assert_mistake(with_export('type = §"file"'), '"path"')

    # ---- Twice ----

    def test_duplicate_export_name(self):
        self.assert_mistake(GOOD + GOOD.replace('"disk"', '§"disk"'), '"disk"')

    def test_duplicate_address(self):
        self.assert_mistake(GOOD, '"listen"', server='listen = ["tcp:127.0.0.1:1", §"tcp:127.0.0.1:1"]')

    def test_two_plugins(self):
        self.assert_mistake(GOOD.replace("  [export.plugin]", "  [export.plugin]\n  type = \"null\"\n  size = 1\n  §[export.plugin]"))

    # ---- Modules ----

    def test_unknown_plugin(self):
        self.assert_mistake(with_export('type = §"flie"'), '"flie"', '"file"', "lib/ashlar")

    def test_unknown_filter(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = §"lgo"'), '"lgo"', '"log"', "lib/ashlar")

    def test_a_module_of_a_package_that_is_not_installed(self):
        bare = self.folder / "bin" / "ashlar"  # without any module
        bare.parent.mkdir()
        shutil.copy(PROGRAM, bare)
        built = {module["name"] for module in json.loads(processes.run(PROGRAM, "list", "--json"))}
        for name in sorted(built & {"curl", "nbd", "rbd", "xz", "zstd"}):
            said = processes.run(bare, "inspect", name, ok=False)
            self.assertEqual(said.returncode, 2)
            self.assertIn(f"; it is in the package ashlar-modules-{name}\n", said.stdout)
        said = processes.run(bare, "inspect", "file", ok=False).stdout
        self.assertIn('no plugin or filter "file" in ', said)
        self.assertNotIn("package", said)

    def test_a_filter_where_a_plugin_is_wanted(self):
        self.assert_mistake(with_export('type = §"align"'), "align")

    def test_a_module_of_another_abi(self):
        self.assertTrue(OTHER_ABI, "ASHLAR_OTHER_ABI_MODULE names no module")
        self.assert_mistake(with_export(f'type = §"{OTHER_ABI}"'), OTHER_ABI, "99", "1")

    def test_a_module_that_is_no_library(self):
        path = self.write("text.so", "not an ELF file")
        self.assert_mistake(with_export(f'type = §"{path}"'), str(path))

    # ---- The backend ----

    def test_an_image_that_is_not_there(self):
        self.assert_mistake(with_export('type = "file"\n  path = §"absent.img"'), f"{self.folder}/absent.img", "No such file or directory")

    def test_an_image_that_is_a_folder(self):
        self.assert_mistake(with_export(f'type = "file"\n  path = §"{self.folder}"'), str(self.folder))

    def test_a_file_where_a_block_device_is_wanted(self):
        self.write("disk.img", "x" * 512)
        self.assert_mistake(with_export('type = "block"\n  path = §"disk.img"'), f"{self.folder}/disk.img")

    def test_a_filter_that_does_not_fit(self):
        self.assert_mistake(with_export(filters='[[export.filter]]\ntype = "offset"\noffset = §4194304'), '"offset"', "1048576")

    def test_a_mistake_in_an_optional_export(self):
        optional = 'name = "disk"\noptional = true'
        self.assert_mistake(with_export('type = §"flie"', own=optional), '"flie"', '"file"')
        self.assert_mistake(with_export('type = "file"\n  path = "absent.img"\n  §derect = true', own=optional), '"derect"', '"direct"')
        self.assert_mistake(with_export('type = "file"\n  path = "absent.img"\n  direct = §"yes"', own=optional), '"direct"', "boolean")

    # Can be read and not be written, by root too.
    UNWRITABLE = "/sys/kernel/uevent_seqnum"

    def test_an_image_that_cannot_be_written(self):
        self.assert_mistake(with_export(f'type = "file"\n  path = §"{self.UNWRITABLE}"'),
                            f"'{self.UNWRITABLE}'", "; write read_only = true below its [[export]] to serve it without writing")

    # ---- The command line ----

    def test_images_that_cannot_be_served_are_refused_in_words_of_the_command_line(self):
        file = self.write("ashlar.conf", GOOD)
        broken = self.write("broken.conf", '[server]\nlisten = ["unix:a.sock"\n')
        for image, said in ((self.folder / "absent.img", "cannot open '{}': No such file or directory"),
                            (self.folder, "cannot open '{}': it is a directory; a regular file or a block device is needed"),
                            ("/dev/null", "cannot open '{}': it is a character device; a regular file or a block device is needed"),
                            (file, f'"{{}}" is a config, not a disk image; rename it to "{self.folder}/ashlar.toml", '
                                   'or write: ashlar serve /dev/stdin <{}'),
                           (broken, f'"{{}}" is a config, not a disk image; rename it to "{self.folder}/broken.toml", '
                                    'or write: ashlar serve /dev/stdin <{}')):
            self.assertEqual(self.says("serve", image), f"ashlar: serve: {said.replace('{}', str(image))}\n")
        self.assertRegex(self.says("serve", self.UNWRITABLE), f"^ashlar: serve: cannot open '{self.UNWRITABLE}': "
                         "(Permission denied|Read-only file system); add --read-only to serve it without writing\n$")

    def test_the_advice_about_an_image_that_cannot_be_written_helps(self):
        server = self.serve_words([self.UNWRITABLE, "--read-only", "--listen", f"unix:{self.folder}/advice.sock"])
        self.assertTrue(server.alive())

    def test_wrong_command_lines(self):
        for words in ((), ("sevre",), ("serve",), ("serve", "--nonsense", "x.toml"), ("check",), ("inspect",), ("inspect", "flie"),
                      ("serve", "--listen", "nonsense", "disk.img"), ("serve", "absent.img")):
            done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, (words, done.stdout, done.stderr))
            self.assertEqual(done.stderr.count("\n"), 1, (words, done.stderr))
            self.assertEqual(done.stdout, "", words)


if __name__ == "__main__":
    main()
