"""Stopping when something does not let go: modules that do not return, clients that do not read, disks that are frozen.

That the server ends at all is what is tested; how soon is not, for that would depend on what else this machine does."""

import os
import pathlib
import re
import signal
import subprocess
import threading

from lib import config, processes, wire
from lib.case import Case, main
from lib.images import MIB
from lib.server import PROGRAM
from lib.storage import Storage

PLUGIN, FILTER = os.environ["ASHLAR_HANGER_PLUGIN"], os.environ["ASHLAR_HANGER_FILTER"]
PATIENCE = 60  # seconds; only a hang takes so long
LEFT_BEHIND = r"left behind: .*"


class Gate:
    """Layers that name it do not return while it is closed."""

    def __init__(self, folder, name="gate", closed=False):
        self.path = folder / name
        self.inside = folder / f"{name}.inside"
        if closed:
            self.close()

    def close(self):
        self.path.touch()

    def open(self):
        self.path.unlink(missing_ok=True)

    def wait_until_somebody_is_inside(self, alive=lambda: True):
        end = threading.Event()
        for _ in range(PATIENCE * 100):
            if self.inside.exists():
                return
            assert alive(), "the server has ended"
            end.wait(0.01)
        raise AssertionError("nobody has come into the module")


class Stops(Case):
    def setUp(self):
        super().setUp()
        self.gate = Gate(self.folder)
        self.addCleanup(self.gate.open)

    def plugin(self, call, **own):
        return {"type": PLUGIN, "in": call, "gate": str(self.gate.path), **own}

    def filter(self, call, **own):
        return {"type": FILTER, "in": call, "gate": str(self.gate.path), **own}

    def ends(self, server, code, how=signal.SIGTERM, signals=1):
        """The server, told to stop, does so with this exit code and leaves no sockets; what it has left behind."""
        server.stopped = True
        try:
            for number in range(signals):
                if number != 0:
                    # One after another: two that come at once are one.
                    self.wait_for_log(server, ["stopping", "told to stop again"][number - 1])
                server.process.send_signal(how)
            self.assertEqual(server.process.wait(PATIENCE), code, server.log())
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
            self.fail(f"the server does not stop; it logged:\n{server.log()}")
        finally:
            server.process.stdout.close()
        for address in server.listening:
            self.assertFalse(os.path.lexists(address.removeprefix("unix:")), address)
        return re.findall(LEFT_BEHIND, server.log())

    def wait_for_log(self, server, text):
        end = threading.Event()
        for _ in range(PATIENCE * 100):
            if text in server.log():
                return
            end.wait(0.01)
        self.fail(f"the log does not say {text!r}:\n{server.log()}")

    def assert_left_behind(self, lines, export, layer, call):
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], rf'^left behind: export "{export}": {layer} "hanger": {call}\b.*: under way for .*[0-9] s$')


class Modules(Stops):
    """A module that does not return is named and left behind; the other clients were served and told."""

    REQUESTS = {"read": (wire.CMD_READ, b""), "write": (wire.CMD_WRITE, b"x" * 4096), "flush": (wire.CMD_FLUSH, b""),
                "zero": (wire.CMD_WRITE_ZEROES, b""), "trim": (wire.CMD_TRIM, b"")}

    def ask(self, client, op):
        command, data = self.REQUESTS[op]
        client.request(command, 0, 0 if op == "flush" else 4096, data=data)

    def hangs(self, chain, op, layer):
        server = self.serve([{"name": "stuck", **chain}, config.memory_export(MIB, "good")])
        stuck, good, idle = (wire.Client(server).go(name) for name in ("stuck", "good", "good"))
        with stuck, good, idle:
            self.gate.close()
            self.ask(stuck, op)
            self.gate.wait_until_somebody_is_inside(server.alive)
            self.assertEqual(good.ask(wire.CMD_WRITE, 0, 512, data=b"y" * 512), 0)
            lines = self.ends(server, 1)
            self.assert_left_behind(lines, "stuck", layer, op)
            if op != "flush":
                self.assertIn("offset 0, length 4096", lines[0])
            for client in (good, idle, stuck):
                self.assertTrue(client.is_closed())
        self.assertNotIn("not take", server.log())

    def test_a_plugin_in_each_op(self):
        for op in self.REQUESTS:
            with self.subTest(op):
                self.hangs({"filters": [{"type": "log"}], "plugin": self.plugin(op)}, op, "plugin")
                self.gate.open()
                self.gate.inside.unlink()

    def test_a_plugin_that_has_promised_not_to_block(self):
        for op in ("read", "write"):
            with self.subTest(op):
                self.hangs({"filters": [{"type": "log"}, {"type": "readonly"}] if op == "read" else [{"type": "log"}],
                            "plugin": self.plugin(op, nowait=True)}, op, "plugin")
                self.gate.open()
                self.gate.inside.unlink()

    def test_a_filter_between_two_layers(self):
        memory = {"type": "memory", "size": MIB}
        self.hangs({"filters": [{"type": "log"}, self.filter("write")], "plugin": memory}, "write", "filter")

    def test_close(self):
        server = self.serve([{"name": "stuck", "plugin": self.plugin("close")}, config.memory_export(MIB, "good")])
        with wire.Client(server).go("good") as good:
            with wire.Client(server).go("stuck"):
                self.gate.close()
            self.gate.wait_until_somebody_is_inside(server.alive)
            self.assertEqual(good.ask(wire.CMD_WRITE, 0, 512, data=b"y" * 512), 0)
            self.assert_left_behind(self.ends(server, 1), "stuck", "plugin", "close")
            self.assertTrue(good.is_closed())
        self.assertNotIn("not take", server.log())

    def test_open_of_a_client(self):
        server = self.serve([{"name": "stuck", "filters": [self.filter("open")], "plugin": {"type": "memory", "size": MIB}}])
        self.gate.close()
        with wire.Client(server) as client:
            client.greet()
            client.option_head(wire.OPT_GO, len(wire.go_data("stuck")))
            client.send(wire.go_data("stuck"))
            self.gate.wait_until_somebody_is_inside(server.alive)
            self.assert_left_behind(self.ends(server, 1), "stuck", "filter", "open")
            self.assertTrue(client.is_closed())

    def test_destroy(self):
        server = self.serve([{"name": "stuck", "filters": [{"type": "log"}], "plugin": self.plugin("destroy")}])
        self.gate.close()
        self.assert_left_behind(self.ends(server, 1), "stuck", "plugin", "destroy")

    def test_several_at_once_are_all_named(self):
        server = self.serve([{"name": name, "plugin": self.plugin("read")} for name in ("one", "two")])
        self.gate.close()
        with wire.Client(server).go("one") as one, wire.Client(server).go("two") as two:
            self.ask(one, "read")
            self.gate.wait_until_somebody_is_inside(server.alive)
            self.gate.inside.unlink()
            self.ask(two, "read")
            self.gate.wait_until_somebody_is_inside(server.alive)
            lines = self.ends(server, 1)
        self.assertEqual(sorted(re.findall(r'export "(\w+)"', "\n".join(lines))), ["one", "two"])

    def test_one_that_returns_in_time_is_waited_for(self):
        server = self.serve([{"name": "slow", "plugin": self.plugin("flush")}])
        self.gate.close()
        with wire.Client(server).go("slow") as client:
            self.ask(client, "flush")
            self.gate.wait_until_somebody_is_inside(server.alive)
            server.process.send_signal(signal.SIGTERM)
            self.wait_for_log(server, "stopping")
            self.gate.open()
            self.assertEqual(client.simple_reply(), (0, b""))
            self.assertTrue(client.is_closed())
        server.stop()  # with exit code 0


class Signals(Stops):
    def test_the_third_signal_is_the_last(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(how):
                server = self.serve([{"name": "stuck", "plugin": self.plugin("read")}])
                self.gate.close()
                with wire.Client(server).go("stuck") as client:
                    client.request(wire.CMD_READ, 0, 4096)
                    self.gate.wait_until_somebody_is_inside(server.alive)
                    self.assert_left_behind(self.ends(server, 1, how, signals=3), "stuck", "plugin", "read")
                self.gate.open()
                self.gate.inside.unlink()

    def test_hangup_is_ignored_with_a_line(self):
        server = self.serve([config.memory_export(MIB)])
        server.process.send_signal(signal.SIGHUP)
        self.wait_for_log(server, "SIGHUP")
        with wire.Client(server).go() as client:
            self.assertEqual(client.ask(wire.CMD_READ, 0, 4), bytes(4))
        server.process.send_signal(signal.SIGHUP)
        server.stop()
        self.assertEqual(server.log().count("SIGHUP"), 2)


class Start(Stops):
    """Told to stop before it is ready."""

    def starting(self, exports):
        socket = self.folder / "start.sock"
        file = self.write("start.toml", config.toml(exports, listen=[f"unix:{socket}"]))
        with open(self.folder / "start.log", "wb") as log:
            process = processes.start([PROGRAM, "serve", file], stdout=subprocess.PIPE, stderr=log)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.gate.wait_until_somebody_is_inside(lambda: process.poll() is None)
        process.send_signal(signal.SIGTERM)
        return process

    def log(self):
        log = (self.folder / "start.log").read_text()
        self.logs.append(log)
        return log

    def test_a_start_that_hangs_is_cut_short_and_its_layer_named(self):
        for call in ("create", "open", "describe", "close"):
            for kind in ("plugin", "filter"):
                with self.subTest(call=call, kind=kind):
                    self.gate.close()
                    chain = {"plugin": self.plugin(call)} if kind == "plugin" else \
                        {"filters": [self.filter(call)], "plugin": {"type": "memory", "size": MIB}}
                    process = self.starting([{"name": "stuck", **chain}])
                    self.assertEqual(process.wait(PATIENCE), 1)
                    self.assert_left_behind(re.findall(LEFT_BEHIND, self.log()), "stuck", kind, call)
                    self.assertFalse((self.folder / "start.sock").exists())
                    self.gate.open()
                    self.gate.inside.unlink()

    def test_a_start_that_goes_on_in_time_serves_nothing(self):
        for call in ("create", "open"):
            with self.subTest(call):
                self.gate.close()
                second = self.folder / "second.img"  # it would have been a mistake, had it come to that
                process = self.starting([{"name": "slow", "plugin": self.plugin(call)}, config.file_export(second, "second")])
                while "stopping" not in (self.folder / "start.log").read_text():
                    self.assertIsNone(process.poll())
                self.gate.open()
                self.assertEqual(process.wait(PATIENCE), 0)
                self.assertEqual(process.stdout.read(), b"")
                self.assertNotIn("second", self.log())
                self.gate.inside.unlink()


class Clients(Stops):
    def test_one_that_takes_no_replies_is_blamed_and_nobody_else(self):
        server = self.serve([config.memory_export(64 * MIB, "good"), {"name": "slow", "plugin": self.plugin("flush")}])
        self.gate.close()
        deaf, waits, left = (wire.Client(server).go(name) for name in ("good", "slow", "slow"))
        with deaf, waits, left:
            for _ in range(8):
                deaf.request(wire.CMD_READ, 0, 8 * MIB)
            deaf.receive(16)
            waits.request(wire.CMD_FLUSH)
            self.gate.wait_until_somebody_is_inside(server.alive)
            left.request(wire.CMD_FLUSH)
            left.close()
            server.process.send_signal(signal.SIGTERM)
            self.wait_for_log(server, "take")
            self.gate.open()
            server.stop()  # with exit code 0: all modules have returned
        self.assertIn("1 client does not take its replies", server.log())


class Frozen(Stops):
    """A file system that is frozen: the kernel itself does not let the thread go, and so cannot end the process."""

    def test_the_line_is_logged_and_the_sockets_are_closed_all_the_same(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: mounts and freezes a file system")
        storage = self.enterContext(Storage("ext4"))
        image = storage.image("disk.img", MIB)
        server = self.serve([config.file_export(image.path, "stuck"), config.memory_export(MIB, "good")])
        stuck, good = (wire.Client(server).go(name) for name in ("stuck", "good"))
        with stuck, good:
            self.freeze(image.path.parent)
            stuck.request(wire.CMD_WRITE, 0, 4096, data=b"x" * 4096)
            self.wait_for_state("D", server.pid)
            self.assertEqual(good.ask(wire.CMD_WRITE, 0, 512, data=b"y" * 512), 0)
            server.process.send_signal(signal.SIGTERM)
            self.assertTrue(good.is_closed())
            self.assertTrue(stuck.is_closed())
            self.wait_for_log(server, "left behind")
            self.assertFalse(os.path.lexists(server.socket))
            self.assertRegex(server.log(), r'left behind: export "stuck": plugin "file": write, offset 0, length 4096: under way')
            self.thaw()
            self.assertEqual(self.ends(server, 1, signals=0), re.findall(LEFT_BEHIND, server.log()))

    def freeze(self, mount):
        # Thaws also when this test is killed: the end of its standard input tells it.
        self.thawer = subprocess.Popen(["sh", "-c", 'read line; fsfreeze --unfreeze "$0"', str(mount)], stdin=subprocess.PIPE)
        self.addCleanup(self.thaw)
        processes.run("fsfreeze", "--freeze", mount)

    def thaw(self):
        self.thawer.stdin.close()
        self.thawer.wait(PATIENCE)

    def wait_for_state(self, state, pid):
        end = threading.Event()
        for _ in range(PATIENCE * 100):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                if (task / "stat").read_text().rpartition(")")[2].split()[0] == state:
                    return
            end.wait(0.01)
        self.fail(f"no thread of the server is in state {state}")


if __name__ == "__main__":
    main()
