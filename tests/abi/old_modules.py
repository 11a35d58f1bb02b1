#!/usr/bin/env python3
"""The modules of ABI 1.0 in the real program, through a client.

$ASHLAR: the program; $ASHLAR_OLD_MODULES: folders."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd, wire  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

OLD = pathlib.Path(os.environ["ASHLAR_OLD_MODULES"].split(":")[0])
PLUGINS, FILTERS = ("plugin_c", "plugin_cxx"), ("filter_c", "filter_cxx")
SIZE = 1 << 20


class OldModules(Case):
    def test_all_are_tried(self):
        self.assertEqual({file.stem for file in OLD.glob("*.so")}, {*PLUGINS, *FILTERS, "forgetter_cxx"})

    def test_inspect_shows_their_parameters(self):
        for name in (*PLUGINS, *FILTERS):
            with self.subTest(name):
                done = subprocess.run([PROGRAM, "inspect", "--json", OLD / f"{name}.so"], capture_output=True, text=True, timeout=60)
                told, = json.loads(done.stdout)
                self.assertEqual((told["abi_major"], told["needs_minor"]), (1, 0))
                self.assertEqual([row["type"] for row in told["parameters"][:9]],
                                 ["size", "string", "path", "boolean", "integer", "choice", "list", "secret", "boolean"])

    def export(self, plugin, above=None, **own):
        filters = [{"type": str(OLD / f"{above}.so")}] if above else []
        return {"name": "disk", **own, "filters": filters, "plugin": {"type": str(OLD / f"{plugin}.so"), "key": "sesame"}}

    def test_check_shows_their_metrics_and_verbs(self):
        file = self.write("check.toml", "[[export]]\nname = \"disk\"\n" + "".join(
            f"[[export.filter]]\ntype = \"{OLD / name}.so\"\n" for name in FILTERS) + f"[export.plugin]\ntype = \"{OLD}/plugin_c.so\"\n")
        done = subprocess.run([PROGRAM, "check", "--json", file], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        layers = json.loads(done.stdout)["exports"][0]["layers"]
        self.assertEqual([[verb["name"] for verb in layer["verbs"]] for layer in layers], [["fill", "sum"]] * 2 + [["written"]])
        for layer in layers:
            self.assertEqual([(metric["name"], metric["kind"]) for metric in layer["metrics"]],
                             [("devices", "gauge"), ("length_bytes", "histogram"), ("replies", "counter"), ("requests", "counter")])

    def test_a_client_is_served(self):
        for plugin in PLUGINS:
            for above in (None, *FILTERS):
                for structured in (True, False):
                    with self.subTest(plugin=plugin, above=above, structured=structured):
                        server = self.serve([self.export(plugin, above)])
                        self.use(libnbd.connect(server.uri("disk"), structured=structured), structured)
                        server.stop()  # then all of the log is there
                        self.assertIn("client 1 on unix", server.log())
                        self.assertIn("key of 6 bytes", server.log())

    def use(self, client, structured):
        bytes_of = os.urandom(300000)
        client.pwrite(bytes_of, 5000)
        client.pwrite(b"x" * 512, 400000)
        client.flush()
        self.assert_same(client.pread(300000, 5000), bytes_of)
        self.assert_same(client.pread(512, 400000), b"x" * 512)
        if client.can_zero():  # what inverts cannot
            client.zero(4096, 8192)
            self.assert_same(client.pread(20000, 0)[8192:12288], bytes(4096))
        client.trim(65536, 65536)
        client.cache(65536, 0)
        if structured:
            self.assertGreaterEqual(sum(length for length, _ in libnbd.extents(client, SIZE, 0)), 4096)
        self.assert_same(client.pread(65536, 131072), bytes_of[131072 - 5000:196608 - 5000])
        client.shutdown()

    def test_a_layer_ends_the_connection(self):
        for plugin in PLUGINS:
            with self.subTest(plugin):
                export = self.export(plugin)
                export["plugin"] |= {"bad": [0], "ends": True}
                server = self.serve([export])
                with wire.Client(server) as client:
                    client.go("disk")
                    client.request(wire.CMD_READ, 0, 512)
                    self.assertTrue(client.is_closed())


if __name__ == "__main__":
    main()
