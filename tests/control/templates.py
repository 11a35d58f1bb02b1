"""Templates: one [[export]] that stands for all files of a folder, as clients and operators see it."""

import json
import os
import pathlib
import re
import tempfile

from frame import MIB, Running, config, libnbd, main, wire
from lib.server import SANITIZED

MANY = 10_000
MOST = 100_000  # names that LIST tells of


def template(folder, name="images/*", **own):
    return config.file_export(f"{folder}/*", name, **own)


class Serving(Running):
    """A template of the folder images."""

    own = {}

    def prepare(self):
        self.images = self.folder / "images"
        self.images.mkdir()
        for name in ("a", "b"):
            self.image(name)

    def image(self, name):
        path = self.images / name
        path.write_bytes(name.encode().ljust(512, b"\0") + bytes(MIB - 512))
        return path

    def exports(self):
        return [template(self.images, **self.own)]

    def answer(self, name, option=wire.OPT_GO):
        with wire.Client(self.server) as client:
            client.greet()
            return client.option(option, wire.go_data(name))[-1][0]

    def first(self, name):
        """What the image called so begins with."""
        with self.client(name) as client:
            return client.ask(wire.CMD_READ, 0, 512).rstrip(b"\0").decode()


class Names(Serving):
    def exports(self):
        self.sparse_file("plain.img", MIB)
        return [*super().exports(), config.file_export(self.folder / "plain.img", "images/b"), config.memory_export("1M", "last")]

    def test_files_are_listed_and_served_and_new_ones_at_once(self):
        self.assertEqual(self.names(), ["images/a", "images/b", "last"])
        self.assertEqual(self.first("images/a"), "a")
        self.image("new")
        self.assertEqual(self.first("images/new"), "new")
        self.assertEqual(self.names(), ["images/a", "images/new", "images/b", "last"])
        (self.images / "new").unlink()
        self.assertEqual(self.answer("images/new"), wire.REP_ERR_UNKNOWN)

    def test_a_plain_name_goes_before_and_the_empty_one_is_the_first_plain_one(self):
        self.assertEqual(self.first("images/b"), "")
        handle = libnbd.connect(self.server.uri(""))
        self.assertEqual(handle.get_size(), MIB)
        handle.shutdown()
        self.wait_until("who names none has the first", lambda: self.export("images/b")["connections"] == 2)

    def test_what_is_no_file_of_the_folder_is_not_there(self):
        self.sparse_file("outside", MIB)
        (self.images / "out").symlink_to("../outside")
        (self.images / "nowhere").symlink_to("none")
        (self.images / "within").symlink_to("a")
        (self.images / "folder").mkdir()
        (self.images / ".hidden").write_bytes(bytes(MIB))
        os.mkfifo(self.images / "pipe")
        for name in ("images/none", "images/", "images/..", "images/../outside", "images/.hidden", "images/out", "images/nowhere",
                     "images/folder", "images/pipe", "images/*", "images/a/", "images/./a", f"images/{'x' * 300}", "images"):
            for option in (wire.OPT_GO, wire.OPT_INFO):
                with self.subTest(name=name, option=option):
                    self.assertEqual(self.answer(name, option), wire.REP_ERR_UNKNOWN)
        self.assertEqual(self.first("images/within"), "a")
        self.assertEqual(self.names(), ["images/a", "images/within", "images/b", "last"])


class Links(Serving):
    own = {"follow_links": True}

    @property
    def settings(self):
        return {"sandbox": {"write": [str(self.folder)]}}

    def test_links_are_followed_where_it_is_said(self):
        self.sparse_file("outside", MIB)
        (self.images / "out").symlink_to("../outside")
        self.assertEqual(self.first("images/out"), "")
        self.assertEqual(self.names(), ["images/a", "images/b", "images/out"])

    if not SANITIZED:  # a server is in no sandbox then
        def test_where_the_sandbox_keeps_it_from_following_one_it_is_told_as_such(self):
            with tempfile.TemporaryDirectory(prefix="ashlar-") as other:
                (self.images / "far").symlink_to(f"{other}/disk.img")
                (pathlib.Path(other) / "disk.img").write_bytes(bytes(MIB))
                if self.answer("images/far") == wire.REP_ACK:
                    self.skipTest("needs Landlock")
                # What the link leads to is at fault, and not the folder of the template.
                told = (f'export "images/far": .*Permission denied; it leads to {other}/disk.img, which is outside of the sandbox .* '
                        rf'name its folder in sandbox, as in sandbox = {{ mode = "auto", read = \["{other}"\] }}')
                self.wait_until("the log tells of it", lambda: re.search(told, self.server.log()))


class Rules(Serving):
    def exports(self):
        return [template(self.images, allow=[{"uid": os.getuid(), "read_only": True}]),
                config.file_export(self.images / "b", "images/b", allow=[])]

    def test_they_are_those_of_the_template_but_for_a_plain_name(self):
        with self.client("images/a") as client:
            self.assertEqual(client.ask(wire.CMD_WRITE, 0, 4, data=b"abcd"), wire.EPERM)
        self.assertEqual(self.answer("images/b"), wire.REP_ERR_UNKNOWN)
        self.assertEqual(self.names(), ["images/a"])


class Exclusive(Serving):
    own = {"exclusive": True, "max_connections": 2}

    def test_each_name_has_one_writer(self):
        self.client("images/a")
        self.assertEqual(self.answer("images/a"), wire.REP_ERR_POLICY)
        self.assertEqual(self.first("images/b"), "b")


class Operators(Serving):
    def exports(self):
        traced = {"type": "trace", "path": str(self.folder / "*.trace"), "ring": "1M"}
        return [{**template(self.images), "filters": [traced]}]

    def test_status_tells_of_the_template_and_of_what_clients_have(self):
        self.assertEqual([one["name"] for one in self.status()["exports"]], ["images/*"])
        client = self.client("images/a")
        client.ask(wire.CMD_READ, 0, 512)
        of, one = self.status()["exports"]
        self.assertEqual((of["is_template"], of["chain"], of["clients"]), (True, ["trace", "file"], []))
        self.assertEqual((one["name"], one["template"], len(one["clients"])), ("images/a", "images/*", 1))
        self.assertIn('export "images/*": template of trace > file', self.ashlar("status"))
        self.assertRegex(self.ashlar("top"), r"(?m)^images/a +")

    def test_there_are_figures_of_names_that_were_opened_and_they_stay(self):
        self.client("images/a").close()
        self.wait_until("it is gone", lambda: self.status()["connections"] == 0)
        self.answer("images/none")
        named = {key.split('export="')[1].split('"')[0] for key in self.figures() if 'export="' in key}
        self.assertEqual(named, {"images/a"})
        self.assertEqual(self.figures()['ashlar_connections_opened_total{export="images/a"}'], 1)

    def test_layers_of_one_name_of_all_names_and_of_all_exports_answer(self):
        self.assertIn('no export is open that "images/*" stands for', self.ashlar("control", "images/*/trace", "dump", code=2))
        clients = [self.client(f"images/{name}") for name in ("a", "b")]
        for client in clients:
            client.ask(wire.CMD_READ, 0, 512)
        heads = ["images/a:", "images/b:"]  # of answers, where there are several
        for layer, wanted in (("images/a/trace", []), ("images/*/trace", heads), ("*/trace", heads)):
            with self.subTest(layer=layer):
                said = self.ashlar("control", layer, "dump").splitlines()
                self.assertEqual([line for line in said if line in heads], wanted)
        self.wait_until("there are traces", lambda: all((self.folder / f"{name}.trace").exists() for name in "ab"))
        self.assertIn('no export "images/c"', self.ashlar("control", "images/c/trace", "dump", code=2))
        self.assertEqual(self.ashlar("disconnect", "--export", "images/a"), "1 disconnected\n")
        self.assertTrue(clients[0].is_closed())
        self.assertEqual(self.ashlar("disconnect", "--export", "images/*"), "1 disconnected\n")
        self.assertTrue(clients[1].is_closed())

    def test_the_sandbox_has_the_folder(self):
        told = json.loads(self.ashlar("check", self.folder / "0.toml", "--json"))
        self.assertIn({"path": str(self.images), "access": "write", "why": 'export "images/*": file: path'}, told["sandbox"]["allowed"])
        one, = told["exports"]
        self.assertEqual((one["template"], one["opened"], [layer["type"] for layer in one["layers"]]), (True, False, ["trace", "file"]))
        self.assertEqual((one["names"], one["read_only"]), (2, False))

    def test_check_tells_of_it(self):
        text = self.ashlar("check", self.folder / "0.toml")
        self.assertIn('names        2, such as "images/a"', text)
        self.assertIn('"images/*"  read-write', self.ashlar("check", self.folder / "0.toml", "--as", "uid=0"))


class Many(Serving):
    """The files are links to a few, which takes less time to make."""

    settings = {"handshake_timeout": 600}  # which to take a long list is a part of

    def prepare(self):
        super().prepare()
        self.more(MANY)

    def more(self, total):
        for number in range(total - len(os.listdir(self.images))):
            if number % 30_000 == 0:  # of the links that a file can have
                source = self.folder / f"source-{total}-{number}"
                source.write_bytes(bytes(512))
            os.link(source, self.images / f"{total}-{number:06}")

    def test_so_many_are_listed_and_of_more_it_is_told_that_there_are_more(self):
        self.assertEqual(len(self.names()), MANY)
        self.assertEqual(self.first("images/a"), "a")
        self.more(MOST + 1)
        self.assertEqual(len(self.names()), MOST)
        self.wait_until("it is logged", lambda: f"there are more than the {MOST} names that clients are told of" in self.server.log())

    def test_of_those_that_nobody_has_open_a_few_are_kept_and_all_are_counted(self):
        for name in self.names()[:300]:
            self.client(name).close()
        self.wait_until("all are gone", lambda: self.status()["connections"] == 0)
        opened = {key: value for key, value in self.figures().items() if key.startswith("ashlar_connections_opened_total")}
        self.assertIn('ashlar_connections_opened_total{export="images/*"}', opened)
        self.assertLessEqual(len(opened), 201)
        self.assertEqual(sum(opened.values()), 300)


if __name__ == "__main__":
    main(at_once=True)
