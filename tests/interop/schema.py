"""host/cli/schema.json tells all that `help`, `list`, `inspect`, `check`, `probe`, `status`, `reload` and `trace` print with --json:
every key and type, no more."""

import copy
import json
import pathlib
import subprocess

from lib import config, tls, wire
from lib.case import Case, main
from lib.images import MIB
from lib.processes import run
from lib.server import PROGRAM

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "host" / "cli" / "schema.json").read_text())
TYPES = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict, "null": type(None), "number": float}


def faults(value, schema, place, seen):
    """What of the value the schema does not tell; adds the places of the schema that it has to `seen`."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return faults(value, SCHEMA["$defs"][name], place, seen)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[name]) and (name != "integer" or not isinstance(value, bool)) for name in types):
        return [f"{place} is {value!r}, not {types}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place} is {value!r}, none of {schema['enum']}"]
    found = []
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += faults(item, schema["items"], f"{place}[{number}]", seen)
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{place} has no {key}" for key in schema["required"] if key not in value]
        for key, item in value.items():
            if key not in schema["properties"] and "additionalProperties" in schema:
                found += faults(item, schema["additionalProperties"], f"{place}.{key}", seen)
                continue
            if key not in schema["properties"]:
                found.append(f"{place}.{key} is not described")
                continue
            seen.add((id(schema), key))
            found += faults(item, schema["properties"][key], f"{place}.{key}", seen)
    elif isinstance(value, dict) and "additionalProperties" in schema:
        for key, item in value.items():
            found += faults(item, schema["additionalProperties"], f"{place}.{key}", seen)
    return found


# What no module of this tree has; modules of the tests' own have it (tests/unit/cli).
ELSEWHERE = {"item", "metrics", "verbs"}


def described(schema):
    """All keys of objects in the schema but those in ELSEWHERE, as `seen` has them."""
    properties = {key: part for key, part in schema.get("properties", {}).items() if key not in ELSEWHERE}
    keys = {(id(schema), key) for key in properties}
    for part in [*properties.values(), *schema.get("$defs", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        keys |= described(part)
    return keys


class Schema(Case):
    def printed(self, command, *words, code=0):
        done = subprocess.run([PROGRAM, *command.split(), "--json", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout.splitlines()[0] if command == "trace show" else done.stdout)

    def outputs(self):
        """Outputs of the commands that have every key, by the name of the command."""
        modules = self.folder / "modules"
        modules.mkdir()
        (modules / "broken.so").write_text("no module")
        (modules / "plugins").mkdir()
        (modules / "plugins" / "broken.so").write_text("no module")
        self.sparse_file("disk.img", MIB)
        (self.folder / "images").mkdir()
        self.sparse_file("images/a", MIB)
        good = [config.file_export(self.folder / "disk.img", filters=[{"type": "log"}], description="x", allow=[{"uid": 0}]),
                config.file_export(self.folder / "absent.img", "absent", filters=[{"type": "log"}], optional=True), self.template()]
        bad = self.write("bad.toml", "[server]\nlog_level = 1\n" + config.toml(good).replace("[server]\n", ""))
        names = [module["name"] for module in self.printed("list")]
        yield "help", self.printed("help")
        yield "list", self.printed("list", "--module-path", modules, code=1)
        for name in names:
            yield "inspect", self.printed("inspect", name)
        yield "check", self.printed("check", self.write("good.toml", config.toml(good)))
        yield "check", self.printed("check", self.folder / "good.toml", "--as", "uid=0")
        yield "check", self.printed("check", bad, code=2)
        yield "probe", self.printed("probe", self.folder)
        for transport in ("unix", "tls", "tcp"):
            yield "status", self.status(config.file_export(self.folder / "disk.img"), transport)
        file = self.folder / f"{len(self.servers) - 1}.toml"  # of the last of these servers, whose client stays
        file.write_text(file.read_text().replace('name = "disk"', 'name = "other"'))
        yield "reload", self.printed("reload", "--control", f"unix:{self.folder}/tcp.control")
        yield "status", self.printed("status", "--control", f"unix:{self.folder}/tcp.control")
        file.write_text("[[[")
        yield "reload", self.printed("reload", "--control", f"unix:{self.folder}/tcp.control", code=2)

        trace = self.traced()
        for command, words in (("trace show", (trace,)), ("trace diff", (trace, trace)),
                               ("trace report", (trace, self.folder / "below.trace"))):
            yield command, self.printed(command, *words)

    def traced(self):
        """What a filter has seen above, and another one below."""
        layers = [{"type": "trace", "path": f"{tag}.trace", "tag": tag, "payload": "hash"} for tag in ("above", "below")]
        server = self.serve([config.file_export(self.folder / "disk.img", filters=layers)])
        with wire.Client(server) as client:
            client.go("disk")
            for at in range(3):
                client.ask(wire.CMD_READ, at * 4096, 4096)
            for at in range(1, 200):  # which advice is given on
                client.ask(wire.CMD_WRITE, at * 512, 512, data=bytes(512))
        server.stop()
        return self.folder / "above.trace"

    def template(self):
        return config.file_export(self.folder / "images" / "*", "images/*")

    def status(self, export, transport):
        """Of a server with a client that comes so."""
        control = f"unix:{self.folder}/{transport}.control"
        listen = [f"unix:{self.folder}/{transport}.sock", "tcp:127.0.0.1:0"]
        secured = {"tls": tls.settings()} if transport == "tls" else {}
        server = self.serve([export, self.template()], listen=listen, control=control, **secured)
        for name in ("disk", "images/a"):
            client = wire.Client(server, kind=transport)
            self.addCleanup(client.close)
            client.go(name)
        return self.printed("status", "--control", control)

    def test_every_key_is_described_and_has_its_type(self):
        seen, commands = set(), set()
        for command, value in self.outputs():
            commands.add(command)
            self.assertEqual(faults(value, SCHEMA["$defs"][command], command, seen), [])
        self.assertEqual(commands, {"help", "list", "inspect", "check", "probe", "status", "reload",
                                    "trace show", "trace diff", "trace report"})
        self.assertEqual({key for _, key in described(SCHEMA) - seen}, set())

    def test_what_is_not_as_described_is_found(self):
        for command, value in self.outputs():
            schema = SCHEMA["$defs"][command]
            one = value[0] if isinstance(value, list) else value
            for key in list(one):
                changed = copy.deepcopy(value)
                of = changed[0] if isinstance(changed, list) else changed
                of[key] = b"of no type"
                self.assertTrue(faults(changed, schema, command, set()), (command, key))
                of["new"] = of.pop(key)
                self.assertTrue(faults(changed, schema, command, set()), (command, key))


if __name__ == "__main__":
    main()
