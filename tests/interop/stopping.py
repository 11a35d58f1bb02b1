"""Stopping when something does not let go: modules that do not return, clients that do not read, a disk that is frozen.

That the server ends at all is what is tested; how soon is not, for that also depends on what else this machine does."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

from lib import config, processes, wire
from lib.case import Case, main
from lib.images import MIB
from lib.server import PROGRAM
from lib.storage import Storage

KINDS = {"plugin": os.environ["ASHLAR_HANGER_PLUGIN"], "filter": os.environ["ASHLAR_HANGER_FILTER"]}
MEMORY = {"type": "memory", "size": MIB}
OPS = {"read": (wire.CMD_READ, b""), "write": (wire.CMD_WRITE, b"x" * 4096), "flush": (wire.CMD_FLUSH, b""),
       "zero": (wire.CMD_WRITE_ZEROES, b""), "trim": (wire.CMD_TRIM, b"")}
PATIENCE = 60  # seconds; only a hang takes so long


class Gate:
    """A layer that names it does not return from a call as long as it is closed."""

    def __init__(self, folder, name, closed):
        self.path, self.inside = folder / name, folder / f"{name}.inside"
        if closed:
            self.path.touch()

    def close(self):
        self.path.touch()

    def open(self):
        self.path.unlink(missing_ok=True)


class Stopping(Case):
    def until(self, what, holds, now=lambda: ""):
        pause = threading.Event()
        for _ in range(PATIENCE * 100):
            if holds():
                return
            pause.wait(0.01)
        self.fail(f"not so: {what}: {now()}")

    def until_logged(self, server, text):
        self.until(f"the log says {text!r}", lambda: text in server.log(), server.log)

    def gate(self, name="gate", closed=False):
        gate = Gate(self.folder, name, closed)
        self.addCleanup(gate.open)
        return gate

    def until_inside(self, gate, alive):
        self.until("a call is inside the module", lambda: gate.inside.exists() or not alive(), lambda: "")
        self.assertTrue(alive(), "the server has ended")

    def hanger(self, kind, call, gate, **own):
        return {"type": KINDS[kind], "in": call, "gate": str(gate.path), **own}

    def ask(self, client, op):
        command, data = OPS[op]
        client.request(command, 0, 0 if op == "flush" else 4096, data=data)

    def ends(self, server, code, how=signal.SIGTERM):
        """The server, told to stop, does so with this exit code and leaves no sockets; what it has left behind."""
        server.process.send_signal(how)
        return self.has_ended(server, code)

    def has_ended(self, server, code):
        server.stopped = True
        try:
            self.assertEqual(server.process.wait(PATIENCE), code, server.log())
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
            self.fail(f"the server does not stop; it logged:\n{server.log()}")
        finally:
            server.process.stdout.close()
        for address in server.listening:
            self.assertFalse(os.path.lexists(address.removeprefix("unix:")), address)
        return self.left_behind(server.log())

    def left_behind(self, log):
        """What the log says was left behind: [(export, layer, call, range), …], sorted."""
        found = re.findall(r'left behind: export "(.*?)": (.*?): (\w+)(.*?): under way for (?:at least )?[0-9.]+ s$', log, re.MULTILINE)
        self.assertEqual(len(found), log.count("left behind"), log)
        return sorted(found)


class Modules(Stopping):
    """A module that does not return is named and left behind; the other clients were served and told."""

    def hang(self, exports):
        """Asks each of `exports`, {op: chain}, for its op; what is left behind at the end."""
        gates = {op: self.gate(op) for op in exports}
        for op, chain in exports.items():
            for layer in chain.get("filters", []) + [chain["plugin"]]:
                if layer["type"] in KINDS.values():
                    layer["gate"] = str(gates[op].path)
        server = self.serve([config.memory_export(MIB, "good"), *({"name": op, **chain} for op, chain in exports.items())])
        clients = [wire.Client(server).go(name) for name in ("good", "good", *exports)]
        for client in clients:
            self.addCleanup(client.close)
        for op, client in zip(exports, clients[2:]):
            gates[op].close()
            self.ask(client, op)
            self.until_inside(gates[op], server.alive)
        self.assertEqual(clients[0].ask(wire.CMD_WRITE, 0, 512, data=b"y" * 512), 0)
        left = self.ends(server, 1)
        for client in clients:
            self.assertTrue(client.is_closed())
        self.assertNotIn("not take", server.log())
        return left

    def wanted(self, kind):
        return sorted((op, f'{kind} "hanger"', op, "" if op == "flush" else ", offset 0, length 4096") for op in OPS)

    def test_a_plugin_in_each_op(self):
        left = self.hang({op: {"filters": [{"type": "log"}], "plugin": {"type": KINDS["plugin"], "in": op}} for op in OPS})
        self.assertEqual(left, self.wanted("plugin"))

    def test_a_filter_between_two_layers_in_each_op(self):
        left = self.hang({op: {"filters": [{"type": "log"}, {"type": KINDS["filter"], "in": op}], "plugin": dict(MEMORY)}
                          for op in OPS})
        self.assertEqual(left, self.wanted("filter"))

    def test_a_plugin_that_has_promised_not_to_block(self):
        left = self.hang({op: {"filters": [{"type": "log"}], "plugin": {"type": KINDS["plugin"], "in": op, "nowait": True}}
                          for op in OPS})
        self.assertEqual(left, self.wanted("plugin"))

    def test_close(self):
        gate = self.gate()
        server = self.serve([{"name": "stuck", "plugin": self.hanger("plugin", "close", gate)}, config.memory_export(MIB, "good")])
        with wire.Client(server).go("good") as good:
            with wire.Client(server).go("stuck"):
                gate.close()
            self.until_inside(gate, server.alive)
            self.assertEqual(good.ask(wire.CMD_WRITE, 0, 512, data=b"y" * 512), 0)
            self.assertEqual(self.ends(server, 1), [("stuck", 'plugin "hanger"', "close", "")])
            self.assertTrue(good.is_closed())
        self.assertNotIn("not take", server.log())

    def test_open_of_a_client(self):
        gate = self.gate()
        server = self.serve([{"name": "stuck", "filters": [self.hanger("filter", "open", gate)], "plugin": dict(MEMORY)}])
        gate.close()
        with wire.Client(server) as client:
            client.greet()
            client.option_head(wire.OPT_GO, len(wire.go_data("stuck")))
            client.send(wire.go_data("stuck"))
            self.until_inside(gate, server.alive)
            self.assertEqual(self.ends(server, 1), [("stuck", 'filter "hanger"', "open", "")])
            self.assertTrue(client.is_closed())

    def test_destroy_and_unload(self):
        for call in ("destroy", "unload"):
            with self.subTest(call):
                gate = self.gate(call)
                server = self.serve([{"name": "stuck", "plugin": self.hanger("plugin", call, gate)}])
                gate.close()
                self.assertEqual(self.ends(server, 1), [("stuck", 'plugin "hanger"', call, "")])

    def test_one_that_returns_in_time_is_waited_for(self):
        gate = self.gate()
        server = self.serve([{"name": "slow", "plugin": self.hanger("plugin", "flush", gate)}])
        gate.close()
        with wire.Client(server).go("slow") as client:
            client.request(wire.CMD_FLUSH)
            self.until_inside(gate, server.alive)
            server.process.send_signal(signal.SIGTERM)
            self.until_logged(server, "stopping")
            gate.open()
            self.assertEqual(client.simple_reply(), (0, b""))
            self.assertTrue(client.is_closed())
        self.assertEqual(self.has_ended(server, 0), [])


class Signals(Stopping):
    def test_the_third_signal_is_the_last(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(how):
                gate = self.gate(how.name)
                server = self.serve([{"name": "stuck", "plugin": self.hanger("plugin", "read", gate)}])
                gate.close()
                with wire.Client(server).go("stuck") as client:
                    client.request(wire.CMD_READ, 0, 4096)
                    self.until_inside(gate, server.alive)
                    # One after another: two that come at once are one.
                    for said in ("stopping", "told to stop again"):
                        server.process.send_signal(how)
                        self.until_logged(server, said)
                    self.assertTrue(client.is_closed())
                    self.assertNotIn("time for replies", server.log())
                    self.assertEqual(self.ends(server, 1, how), [("stuck", 'plugin "hanger"', "read", ", offset 0, length 4096")])


class Start(Stopping):
    """Told to stop before it is ready."""

    def start(self, name, exports, gate):
        """A server that has been told to stop while it was inside the module."""
        listen = [f"unix:{self.folder}/{name}.sock"]
        file = self.write(f"{name}.toml", config.toml(exports, listen=listen))
        with open(self.folder / f"{name}.log", "wb") as log:
            process = processes.start([PROGRAM, "serve", file], stdout=subprocess.PIPE, stderr=log)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.until_inside(gate, lambda: process.poll() is None)
        process.send_signal(signal.SIGTERM)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def test_a_start_that_hangs_is_cut_short_and_its_layer_named(self):
        started = {}
        for call in ("create", "open", "describe", "close"):
            for kind in KINDS:
                name = f"{kind}-{call}"
                gate = self.gate(name, closed=True)
                hanger = self.hanger(kind, call, gate)
                chain = {"plugin": hanger} if kind == "plugin" else {"filters": [hanger], "plugin": dict(MEMORY)}
                started[kind, call] = self.start(name, [{"name": "stuck", **chain}], gate)
        for (kind, call), process in started.items():
            with self.subTest(kind=kind, call=call):
                self.assertEqual(process.wait(PATIENCE), 1)
                self.assertEqual(process.stdout.read(), b"")
                self.assertEqual(self.left_behind(self.log(f"{kind}-{call}")), [("stuck", f'{kind} "hanger"', call, "")])
                self.assertFalse((self.folder / f"{kind}-{call}.sock").exists())

    def test_a_start_that_goes_on_in_time_serves_nothing(self):
        for call in ("create", "open"):
            with self.subTest(call):
                gate = self.gate(call, closed=True)
                absent = config.file_export(self.folder / "absent.img", "absent")  # not asked for any more
                process = self.start(call, [{"name": "slow", "plugin": self.hanger("plugin", call, gate)}, absent], gate)
                self.until("it has heard", lambda: "stopping" in self.log(call), lambda: self.log(call))
                gate.open()
                self.assertEqual(process.wait(PATIENCE), 0)
                self.assertEqual(process.stdout.read(), b"")
                self.assertNotIn("absent", self.log(call))
                self.assertEqual(self.left_behind(self.log(call)), [])


class Clients(Stopping):
    def test_one_that_takes_no_replies_is_blamed_and_nobody_else(self):
        gate = self.gate()
        server = self.serve([config.memory_export(64 * MIB, "good"), {"name": "slow", "plugin": self.hanger("plugin", "flush", gate)}])
        gate.close()
        deaf, waits, left = (wire.Client(server).go(name) for name in ("good", "slow", "slow"))
        with deaf, waits, left:
            for _ in range(8):
                deaf.request(wire.CMD_READ, 0, 8 * MIB)
            deaf.receive(16)
            for client in (waits, left):
                client.request(wire.CMD_FLUSH)
                self.until_inside(gate, server.alive)
                gate.inside.unlink()
            left.close()
            server.process.send_signal(signal.SIGTERM)
            self.until_logged(server, "take")
            gate.open()
            self.assertEqual(self.has_ended(server, 0), [])
        self.assertIn("1 client does not take its replies", server.log())
        self.assertIn("2 calls into modules have not returned", server.log())


class Frozen(Stopping):
    """A file system that is frozen: not even the kernel can end the process before it is thawed."""

    def test_the_line_is_logged_and_the_sockets_are_closed_all_the_same(self):
        if os.geteuid() != 0 or shutil.which("fsfreeze", path="/usr/sbin:/sbin") is None:
            self.skipTest("needs root, and fsfreeze")
        image = self.enterContext(Storage("ext4")).image("disk.img", MIB)
        server = self.serve([config.file_export(image.path, "stuck"), config.memory_export(MIB, "good")])
        with wire.Client(server).go("stuck") as stuck, wire.Client(server).go("good") as good:
            self.freeze(image.path.parent)
            stuck.request(wire.CMD_WRITE, 0, 4096, data=b"x" * 4096)
            self.until("a thread hangs in the kernel", lambda: self.hangs(server.pid))
            self.assertEqual(good.ask(wire.CMD_WRITE, 0, 512, data=b"y" * 512), 0)
            server.process.send_signal(signal.SIGTERM)
            for client in (good, stuck):
                self.assertTrue(client.is_closed())
            self.until_logged(server, "left behind")
            self.assertFalse(os.path.lexists(server.socket))
            self.thaw()
            self.assertEqual(self.has_ended(server, 1), [("stuck", 'plugin "file"', "write", ", offset 0, length 4096")])

    def hangs(self, pid):
        """Whether a thread is in state D."""
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        return "D" in states

    def freeze(self, mount):
        # Thaws also when this test is killed: the end of its standard input tells it.
        self.thawer = subprocess.Popen(["sh", "-c", 'read line; fsfreeze --unfreeze "$0"', str(mount)], stdin=subprocess.PIPE)
        self.addCleanup(self.thaw)
        processes.run("fsfreeze", "--freeze", mount)

    def thaw(self):
        self.thawer.stdin.close()
        self.thawer.wait(PATIENCE)


if __name__ == "__main__":
    main()
