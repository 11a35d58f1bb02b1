"""What README.md and examples/ say is so: their configs are good, their links lead somewhere, their commands exist and run."""

import json
import os
import pathlib
import re
import struct
import subprocess
import tomllib

from lib import libnbd
from lib.case import Case, main
from lib.images import MIB
from lib.processes import run
from lib.server import PROGRAM

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
OPTIONAL = {"curl", "nbd", "rbd", "xz", "zstd"}  # modules that are built where there are their libraries


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


class Readme(Case):
    def test_the_config_can_be_copied(self):
        configs = blocks("toml")
        self.assertEqual(len(configs), 1)
        self.sparse_file("disk.img", MIB)
        file = self.write("ashlar.toml", configs[0])
        self.assertIn("OK", run(PROGRAM, "check", file))
        server = self.serve_words([file, "--listen", f"unix:{self.folder}/ashlar.sock"])
        self.assertEqual(libnbd.connect(server.uri("disk")).get_size(), MIB)

    def test_the_settings_that_are_told_make_a_good_config(self):
        # That defaults and ranges are those of the code, tests/unit/config/readme.cpp checks.
        tables = README.split("| `[[export]]` key")
        server, export = [[f"{key} = {value}" for key, value in re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", table, re.MULTILINE)]
                          for table in tables]
        self.assertIn('max_memory = "1G"', server)
        self.assertIn("optional = false", export)
        text = "\n".join(["[server]", *server, "[[export]]", 'name = "disk"', *export, "[export.plugin]", 'type = "null"', "size = 1", ""])
        self.assertIn("OK", run(PROGRAM, "check", self.write("all.toml", text)))

    def test_the_links_lead_somewhere(self):
        links = re.findall(r"\]\(([^)#]+)\)", README)
        self.assertGreater(len(links), 10)
        self.assertEqual([link for link in links if not link.startswith("http") and not (ROOT / link).exists()], [])

    def test_the_contents_are_the_sections(self):
        contents = README.split("\n## ")[0]
        headings = re.findall("^##+ (.*)$", README, re.MULTILINE)
        self.assertGreater(len(headings), 8)
        self.assertEqual([link.lower() for link in re.findall(r"\[([^]]*)\]\(#", contents)], [heading.lower() for heading in headings])
        anchors = {heading.lower().replace(" ", "-") for heading in headings}
        self.assertEqual(set(re.findall(r"\]\(#([^)]*)\)", README)) - anchors, set())

    def test_the_two_commands_can_be_run(self):
        commands = [line.split()[0] for line in blocks("sh")[0].splitlines()]
        self.assertEqual(commands, ["examples/quickstart.sh", "tests/run.sh"])
        for command in [*commands, "tests/setup.sh", ".ci/run"]:
            self.assertTrue(os.access(ROOT / command, os.X_OK), command)

    def test_the_commands_exist(self):
        named = set(re.findall(r"^\| `ashlar ([\w-]+)", README, re.MULTILINE))
        self.assertEqual(named, {"serve", "check", "list", "inspect", "probe", "new", "certs", "trace",
                                 "status", "top", "disconnect", "reload", "drain", "log-level", "control", "completion", "help"})
        for command in named - {"help"}:
            self.assertEqual(run(PROGRAM, command, "--help"), run(PROGRAM, "help", command))

    def test_the_modules_are_those_there_are(self):
        there = {(module["kind"], module["name"]) for module in json.loads(run(PROGRAM, "list", "--json"))}
        for kind in ("plugin", "filter"):
            named = set(re.findall(rf"^\| \[([\w-]+)\]\({kind}s/", README, re.MULTILINE))
            of_kind = {name for of, name in there if of == kind}
            self.assertEqual(named - OPTIONAL, of_kind - OPTIONAL)
            self.assertLessEqual(of_kind, named)
            for name in of_kind:
                self.assertIn(name, run(PROGRAM, "inspect", name))

    def test_each_module_stands_in_a_group(self):
        self.assertEqual([module["name"] for module in json.loads(run(PROGRAM, "list", "--json"))
                          if "group" not in module], [])

    def test_a_layer_can_be_copied_from_inspect(self):
        for module in json.loads(run(PROGRAM, "list", "--json")):
            with self.subTest(module=module["name"]):
                text = run(PROGRAM, "inspect", module["path"])
                text = text[text.index("\nconfig\n") + len("\nconfig\n"):]
                layer = tomllib.loads(re.sub(r"^( *)# ", r"\1", text, flags=re.MULTILINE))["export"][module["kind"]]
                layer = layer if module["kind"] == "plugin" else layer[0]
                parameters = json.loads(run(PROGRAM, "inspect", "--json", module["path"]))[0]["parameters"]
                self.assertEqual(set(layer), {"type"} | {row["name"] for row in parameters})
                self.assertEqual(layer["type"], module["path"])
                needed = [line.split()[0] for line in text.splitlines()[2:] if not line.lstrip().startswith("#")]
                self.assertEqual(needed, [row["name"] for row in parameters if row["required"]])

    def test_the_layers_that_the_host_adds_are_marked(self):
        file = self.write("implicit.toml", '[[export]]\nname = "x"\n[export.plugin]\ntype = "file"\npath = "disk.img"\n')
        self.sparse_file("disk.img", MIB)
        self.assertRegex(run(PROGRAM, "check", file), r"zero-emulation.* \(implicit\)")


class Examples(Case):
    def test_the_configs_are_good(self):
        configs = sorted((ROOT / "examples").glob("*.toml"))
        self.assertGreaterEqual(len(configs), 2)
        self.disk_with_a_partition()
        for name in ("disk", "golden"):
            run("qemu-img", "create", "-q", "-f", "qcow2", self.folder / f"{name}.qcow2", "4M")
        for config in configs:
            # As their comments say: the image is looked for beside the config, but for those of an absolute path.
            text = config.read_text().replace("/var/lib/ashlar", str(self.folder))
            self.assertIn("OK", run(PROGRAM, "check", self.write(config.name, text)))

    def disk_with_a_partition(self):
        """The last three of its four MiB."""
        with open(self.sparse_file("disk.img", 4 * MIB), "r+b") as file:
            file.seek(446)
            file.write(struct.pack("<B3sB3sII", 0, b"", 0x83, b"", MIB // 512, 3 * MIB // 512) + bytes(48) + b"\x55\xaa")
            file.seek(MIB)
            file.write(b"golden")

    def test_the_golden_image_serves_many_machines(self):
        self.disk_with_a_partition()
        before = (self.folder / "disk.img").read_bytes()
        file = self.write("golden-image.toml", (ROOT / "examples" / "golden-image.toml").read_text())
        server = self.serve_words([file])
        machines = [libnbd.connect(server.uri("machine")) for _ in range(3)]
        for number, machine in enumerate(machines):
            self.assertEqual(machine.get_size(), 3 * MIB)
            machine.pwrite(b"%d" % number, 6)
        for number, machine in enumerate(machines):
            self.assertEqual(bytes(machine.pread(8, 0)), b"golden%d\0" % number)
            machine.shutdown()
        self.assertEqual(bytes(libnbd.connect(server.uri("machine")).pread(8, 0)), b"golden\0\0")
        own = libnbd.connect(server.uri("next"))
        own.pwrite(b"silver", 0)
        self.assertEqual((self.folder / "disk.img").read_bytes(), before)
        run(PROGRAM, "control", "--control", f"unix:{self.folder}/golden-control.sock", "next/cow", "commit")
        self.assertEqual((self.folder / "disk.img").read_bytes()[MIB:MIB + 6], b"silver")
        own.shutdown()

    def test_other_formats_are_served(self):
        images = {name: self.folder / f"{name}.qcow2" for name in ("disk", "golden")}
        for image in images.values():
            run("qemu-img", "create", "-q", "-f", "qcow2", image, "4M")
        text = (ROOT / "examples" / "other-formats.toml").read_text().replace("/var/lib/ashlar", str(self.folder))
        server = self.serve_words([self.write("other-formats.toml", text)])
        for name in images:
            client = libnbd.connect(server.uri(name))
            client.pwrite(b"written", 0)
            client.flush()
            client.shutdown()
        server.stop()
        for name, found in (("disk", b"written"), ("golden", bytes(7))):
            raw = self.folder / "raw.img"
            run("qemu-img", "convert", "-O", "raw", images[name], raw)
            self.assertEqual(raw.read_bytes()[:7], found)

    def test_the_exports_example_serves(self):
        self.sparse_file("disk.img", 4 * MIB)
        file = self.write("exports.toml", (ROOT / "examples" / "exports.toml").read_text())
        server = self.serve_words([file, "--listen", f"unix:{self.folder}/own.sock"])
        sizes = {name: libnbd.connect(server.uri(name)).get_size() for name in ("disk", "disk-tail", "scratch", "null", "")}
        self.assertEqual(sizes, {"disk": 4 * MIB, "disk-tail": 3 * MIB, "scratch": 1 << 30, "null": 1 << 40, "": 4 * MIB})

    def test_quickstart_twice_at_once_from_another_folder(self):
        command = [ROOT / "examples" / "quickstart.sh", "--once"]
        runs = [subprocess.Popen(command, cwd=self.folder, env={**os.environ, "ASHLAR": PROGRAM}, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
        for one in runs:
            shown, _ = one.communicate(timeout=300)
            self.assertEqual(one.returncode, 0, shown)
            self.assertTrue(shown.endswith("All was right.\n"), shown)
            for client in ("$ nbdinfo", "$ nbdcopy", "$ qemu-io"):
                self.assertIn(client, shown)
        self.assertEqual(os.listdir(self.folder), [])

    def test_quickstart_says_when_something_is_wrong(self):
        for program in ("/bin/false", "/bin/true"):
            done = subprocess.run([ROOT / "examples" / "quickstart.sh", "--once"], env={**os.environ, "ASHLAR": program}, text=True,
                                  capture_output=True, timeout=300)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("the server did not start", done.stderr)


if __name__ == "__main__":
    main(needs=["mkfs.ext4", "debugfs", "nbdinfo", "nbdcopy", "qemu-io"])
