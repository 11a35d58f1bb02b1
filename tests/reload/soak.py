"""Reloads under load, again and again: exports come, change and go, configs are wrong now and then, clients come and go. No
request is lost, no byte is wrong, and neither memory nor descriptors grow.

ASHLAR_SOAK_RELOADS says how many (60; a long run: 10000), ASHLAR_SOAK_SEED which."""

import json
import os
import pathlib
import random
import subprocess
import threading
import time

from reloading import MIB, PATIENCE, READ, WRITE, Reloading, config, main, wire
from frame import BENCH_LOAD

RELOADS = int(os.environ.get("ASHLAR_SOAK_RELOADS", "60"))
SEED = int(os.environ.get("ASHLAR_SOAK_SEED", str(time.time_ns())))
BLOCK = 4096
WRITERS = 3
MOST_COMING = 12  # exports that come and go
ROOM = 16 * MIB  # that the server may take more of in a long run: what the allocator keeps varies


class Threads:
    """Runs functions until they are told to stop; what one of them raises is raised in stop()."""

    def __init__(self):
        self.ended, self.failures, self.all = threading.Event(), [], []

    def start(self, function, *words):
        def run():
            try:
                while not self.ended.is_set():
                    function(*words)
            except BaseException as failure:
                self.failures.append(failure)
                self.ended.set()

        self.all.append(threading.Thread(target=run))
        self.all[-1].start()

    def stop(self):
        self.ended.set()
        for thread in self.all:
            thread.join()
        if self.failures:
            raise self.failures[0]


class Soak(Reloading):
    def prepare(self):
        super().prepare()
        for folder in ("images", "others"):
            (self.folder / folder).mkdir()
            for name in ("a", "b"):
                (self.folder / folder / name).write_bytes(bytes(MIB))
        self.coming, self.folder_of_template, self.last = {}, "images", 0
        self.drains = 0  # that have begun, and that are over: odd while one is under way
        self.sent, self.counting = {"disk": 0, "keep": 0}, threading.Lock()

    def exports(self):
        template = config.file_export(self.folder / self.folder_of_template / "*", "images/*")
        return [config.file_export(self.folder / "disk.img"), config.memory_export("1M", "keep"), template, *self.coming.values()]

    # ---- Load. Each function does one piece of work. ----

    def count(self, name, requests):
        with self.counting:
            self.sent[name] += requests

    def generate(self):
        requests = 500
        done = subprocess.run([BENCH_LOAD, self.server.address(), "--export", "disk", "--requests", str(requests),
                               "op=randread,block=4K,depth=8,connections=2"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.count("disk", 2 * requests)

    def write_and_read(self, number, rng):
        with self.at("keep") as client:
            for _ in range(100):
                data = rng.randbytes(BLOCK)
                self.assertEqual(client.ask(WRITE, number * BLOCK, BLOCK, data=data), 0)
                self.assertEqual(client.ask(READ, number * BLOCK, BLOCK), data)
            self.count("keep", 200)

    def look_in(self, rng):
        """A client of what comes and goes: it may find nothing, and is ended only by a reload that says so."""
        names = ["images/a", "images/b", *list(self.coming)]
        before = self.drains
        with wire.Client(self.server) as client:
            client.greet()
            try:
                if client.option(wire.OPT_GO, wire.go_data(rng.choice(names)))[-1][0] != wire.REP_ACK:
                    return
                for _ in range(20):
                    self.assertIn(client.ask(READ, 0, 512), (bytes(512), wire.ESHUTDOWN))
            except wire.Closed:
                self.assertTrue(self.drains != before or before % 2 == 1, "ended by nobody")

    def at(self, name):
        client = wire.Client(self.server)
        client.go(name)
        return client

    # ---- Reloads ----

    def change(self, rng):
        """Changes what is to be served; returns what the server has to say of it."""
        before = {one["name"]: one for one in self.exports()}
        what = rng.choice(("add", "add", "remove", "resize", "describe", "template", "nothing"))
        known = list(self.coming)
        if what == "add" and len(known) < MOST_COMING:
            self.last += 1
            name = f"disk-{self.last}"
            self.coming = {**self.coming, name: config.memory_export("1M", name)}
        elif what == "template":
            self.folder_of_template = "others" if self.folder_of_template == "images" else "images"
        elif known and what == "remove":
            name = rng.choice(known)
            self.coming = {key: value for key, value in self.coming.items() if key != name}
        elif known and what == "resize":
            name = rng.choice(known)
            self.coming = {**self.coming, name: config.memory_export(f"{rng.randint(1, 4)}M", name)}
        elif known and what == "describe":
            name = rng.choice(known)
            self.coming = {**self.coming, name: {**self.coming[name], "description": str(rng.random())}}
        now = {one["name"]: one for one in self.exports()}
        return {"added": sorted(now.keys() - before.keys()), "removed": sorted(before.keys() - now.keys()),
                "changed": sorted(name for name in now.keys() & before.keys() if now[name] != before[name])}

    def ask(self, drain=False):
        self.control_peer.sendall(json.dumps({"command": "reload", "drain": drain}).encode() + b"\n")
        return json.loads(self.control_file.readline())

    def reload_once(self, rng):
        if rng.random() < 0.2:
            wrong = rng.choice(('[[export]]\nname = "a"\n', "[[[", '[server]\nworkers = 0\n', ""))
            wrong += '[[export]]\nname = "b"\nplugin = { type = "file", path = "nowhere" }\n'
            self.file.write_text(wrong)
            self.assertEqual(self.ask()["code"], 2)
            return
        wanted, drain = self.change(rng), rng.random() < 0.1
        self.drains += 1 if drain else 0
        self.rewrite(self.exports())
        said = self.ask(drain)
        self.drains += 1 if drain else 0
        self.assertEqual({key: sorted(said[key]) for key in wanted}, wanted)

    def run_reloads(self, number, seed):
        threads, rng = Threads(), random.Random(seed)
        threads.start(self.generate)
        for writer in range(WRITERS):
            threads.start(self.write_and_read, writer, random.Random(seed + writer))
        for visitor in range(2):
            threads.start(self.look_in, random.Random(seed + WRITERS + visitor))
        try:
            for _ in range(number):
                if threads.ended.is_set():
                    break
                self.reload_once(rng)
        finally:
            threads.stop()
        self.coming = {}
        self.reload(self.exports())
        self.wait_until("all clients are gone", lambda: self.status()["connections"] == 0)

    def used(self):
        process = pathlib.Path(f"/proc/{self.server.pid}")
        rss = next(int(line.split()[1]) for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
        return rss * 1024, len(os.listdir(process / "fd"))

    def test_nothing_is_lost_and_nothing_grows(self):
        print(f"{RELOADS} reloads, seed {SEED}", flush=True)
        self.control_peer = self.raw()
        self.control_file = self.control_peer.makefile()
        self.run_reloads(max(RELOADS // 10, 10), SEED)
        rss, descriptors = self.used()
        self.run_reloads(RELOADS, SEED + 1)
        self.wait_until("no descriptor has stayed", lambda: self.used()[1] <= descriptors)
        self.assertLess(self.used()[0], rss + ROOM)
        print(f"resident {rss >> 10} KiB, then {self.used()[0] >> 10} KiB; {descriptors} descriptors; {self.sent} requests", flush=True)
        figures = self.figures()
        for name, requests in self.sent.items():
            told = self.export(name)
            self.assertEqual((told["errors"], told["in_flight"], sum(told["ops"].values())), (0, 0, requests))
            of_figures = [value for key, value in figures.items() if key.startswith(f'ashlar_requests_total{{export="{name}"')]
            self.assertEqual(sum(of_figures), requests)


if __name__ == "__main__":
    main()
