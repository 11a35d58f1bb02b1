#!/usr/bin/env python3
"""Exports over several NBD servers that say nothing for now: a start, a reload and a check wait for all of them at once."""

import json
import os
import pathlib
import signal
import sys
import threading
import time

import far

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "interop"))

from lib import config, processes, wire  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.server import PROGRAM, TRANSPORT  # noqa: E402

PATIENCE = 60  # seconds; only a failure takes so long
CROWD = 5
SIZE = 1 << 20


class Starts(Case):
    def setUp(self):
        super().setUp()
        self.greets = threading.Event()
        self.addCleanup(self.greets.set)
        self.at_once = 0

    def other(self, name, **how):
        server = far.Far(self.folder / f"{name}.far", SIZE, **how)
        self.addCleanup(server.end)
        return server

    def export(self, name, **own):
        uri = f"nbd+unix:///?socket={self.folder}/{name}.far"
        return {"name": name, **own, "plugin": {"type": "nbd", "uri": uri, "connections": 1}}

    def crowd(self, greeted=0, way="well", **own):
        """Exports over as many servers, none of which says a word before greets, but to so many as `greeted`."""
        names = [f"far{number}" for number in range(CROWD)]
        self.others = [self.other(name, greets=self.greets, greeted=greeted, way=way) for name in names]
        return [self.export(name, **own) for name in names]

    def all_are_asked(self):
        now = sum(other.open_now != 0 and other.connected > other.greeted for other in self.others)
        self.at_once = max(self.at_once, now)
        return now == len(self.others)

    def greet_when_all_are_asked(self):
        """It gives up when a failure is sure."""
        def greet():
            end = time.monotonic() + PATIENCE
            while not self.all_are_asked() and time.monotonic() < end:
                time.sleep(0.01)
            self.greets.set()

        self.in_background(greet)

    def in_background(self, act):
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        self.addCleanup(thread.join, PATIENCE)

    def size(self, name):
        with wire.Client(self.server, PATIENCE, TRANSPORT) as client:
            client.greet()
            client.enter(name)
            return client.size

    def started(self, exports):
        """One that is not ready yet. Its process, and what it has logged by now."""
        file = self.write("starts.toml", config.toml(exports, listen=[f"unix:{self.folder}/starts.sock"]))
        log = self.folder / "starts.log"
        with open(log, "wb") as out:
            process = processes.start([PROGRAM, "serve", file], stdout=processes.subprocess.DEVNULL, stderr=out)
        self.addCleanup(self.ended, process)
        return process, log.read_text

    @staticmethod
    def ended(process):
        process.kill()
        process.wait()

    def test_a_start_waits_for_all_at_once(self):
        exports = self.crowd()
        self.greet_when_all_are_asked()
        self.server = self.serve([*exports[:2], config.memory_export("2M", "near"), *exports[2:]])
        self.assertEqual(self.at_once, CROWD)
        self.assertEqual(self.size("near"), 2 * SIZE)
        self.assertEqual([self.size(one["name"]) for one in exports], [SIZE] * CROWD)

    def test_a_reload_waits_for_all_at_once(self):
        self.other("before")
        before = self.export("before")  # without it the sandbox would let nobody connect
        control = f"unix:{self.folder}/control.sock"
        self.server = self.serve([before], control=control)
        listen = [f"unix:{self.server.socket}"]
        self.write("0.toml", config.toml([before, *self.crowd()], listen=listen, control=control))
        self.greet_when_all_are_asked()
        said = json.loads(run(PROGRAM, "reload", "--json", "--control", control, timeout=2 * PATIENCE))
        self.assertEqual(self.at_once, CROWD)
        self.assertEqual(len(said["added"]), CROWD)
        self.assertEqual(self.size("far0"), SIZE)

    def test_who_has_become_another_user_waits_for_all_at_once(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.folder.chmod(0o777)
        exports = self.crowd(greeted=1)  # as root
        for other in self.others:
            os.chmod(other.path, 0o777)
        self.greet_when_all_are_asked()
        self.server = self.serve(exports, user="nobody")
        self.assertEqual(self.at_once, CROWD)
        self.assertEqual(self.size("far0"), SIZE)

    def test_a_check_waits_for_all_at_once(self):
        file = self.write("check.toml", config.toml(self.crowd()))
        self.greet_when_all_are_asked()
        said = json.loads(run(PROGRAM, "check", "--json", file, timeout=2 * PATIENCE))
        self.assertEqual(self.at_once, CROWD)
        self.assertEqual([one["name"] for one in said["exports"]], [f"far{number}" for number in range(CROWD)])

    def test_a_check_that_tells_of_them_waits_for_all_at_once(self):
        """What could not be opened is tried once more for that."""
        file = self.write("check.toml", config.toml(self.crowd(greeted=1, way="garbage", optional=True)))
        self.greet_when_all_are_asked()
        check = processes.start([PROGRAM, "check", "--json", file], stdout=processes.subprocess.PIPE,
                                stderr=processes.subprocess.DEVNULL)
        self.addCleanup(self.ended, check)
        said = json.loads(check.communicate(timeout=2 * PATIENCE)[0])
        self.assertEqual(self.at_once, CROWD)
        self.assertEqual([one["opened"] for one in said["exports"]], [False] * CROWD)

    def test_a_start_that_waits_for_all_of_them_ends_when_it_is_told_to(self):
        for own in ({}, {"optional": True}):
            process, log = self.started(self.crowd(**own))
            self.wait_until("all are asked", self.all_are_asked)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE), 0)
            self.assertIn("SIGTERM: stopping", log())
            for other in ("left behind", "cannot be reached"):
                self.assertNotIn(other, log())
            for one in self.others:
                one.end()

    def test_what_goes_while_a_check_waits_is_told_with_the_other_mistakes(self):
        away = self.other("away", way="garbage", greets=self.greets)
        image = self.sparse_file("image", SIZE)
        exports = [config.memory_export("2M", "near"), config.file_export(image, "gone"), self.export("away")]

        def remove():
            end = time.monotonic() + PATIENCE
            while not away.connected and time.monotonic() < end:
                time.sleep(0.01)
            image.unlink()  # it was opened before anybody else was asked
            self.greets.set()

        self.in_background(remove)
        done = run(PROGRAM, "check", self.write("goes.toml", config.toml(exports)), ok=False, timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, 2, done.stdout)
        for told in ('export "near"\n', f"cannot open '{image}'", "/away.far cannot be reached"):
            self.assertIn(told, done.stdout)

    def two_that_are_no_servers(self, **own):
        """Exports over them; the first says so only when the last has."""
        first = self.other("first", way="garbage", greets=self.greets)
        last = self.other("last", way="garbage")

        def greet():
            end = time.monotonic() + PATIENCE
            while not (last.connected and first.connected and not last.open_now) and time.monotonic() < end:
                time.sleep(0.01)
            self.greets.set()

        self.in_background(greet)
        return [self.export(name, **own) for name in ("first", "last")]

    def assert_in_order(self, told):
        places = [told.index(f"/{name}.far cannot be reached") for name in ("first", "last")]
        self.assertLess(*places, told)

    def test_mistakes_are_told_in_the_order_of_the_config(self):
        file = self.write("wrong.toml", config.toml(self.two_that_are_no_servers()))
        self.assert_in_order(run(PROGRAM, "check", file, ok=False, timeout=2 * PATIENCE).stdout)

    def test_warnings_are_told_in_the_order_of_the_config(self):
        self.server = self.serve(self.two_that_are_no_servers(optional=True))
        self.assert_in_order(self.server.log())


if __name__ == "__main__":
    main(at_once=True)
