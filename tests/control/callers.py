"""Those who ask at the control socket: one who goes is not waited for, and one who waits is not sent away."""

import json
import os
import socket
import subprocess

from frame import MIB, PATIENCE, PROGRAM, Running, config, main, wire

WAITER = os.environ.get("ASHLAR_WAITER")
WAIT = b'{"command": "control", "layer": "memory/waiter", "verb": "wait"}\n'


class Callers(Running):
    def exports(self):
        return [config.memory_export("1M", "memory", [{"type": WAITER, "file": str(self.folder / "verb")}])]

    @property
    def settings(self):
        return {"sandbox": {"write": [str(self.folder)]}}

    def there(self, what):
        self.wait_until(f"there is {what}", (self.folder / what).exists)

    def test_a_verb_whose_caller_has_gone_is_cancelled(self):
        peer = self.raw()
        peer.sendall(WAIT)
        self.there("verb.inside")
        peer.close()
        self.there("verb.cancelled")

    def test_so_is_that_of_a_command_that_is_interrupted(self):
        asking = subprocess.Popen([PROGRAM, "control", "memory/waiter", "wait", "--control", f"unix:{self.control}"])
        self.addCleanup(asking.wait)
        self.addCleanup(asking.kill)
        self.there("verb.inside")
        asking.terminate()
        self.there("verb.cancelled")

    def test_a_caller_that_says_no_more_waits_for_its_answer(self):
        peer = self.raw()
        peer.sendall(WAIT)
        self.there("verb.inside")
        peer.shutdown(socket.SHUT_WR)
        self.ashlar("status")
        (self.folder / "verb.go").touch()
        self.assertEqual(json.loads(peer.makefile().readline())["answers"][0]["answer"], "it is there\n")
        self.assertFalse((self.folder / "verb.cancelled").exists())

    def test_who_waits_is_not_silent(self):
        waiting = self.raw()
        waiting.sendall(WAIT)
        self.there("verb.inside")
        silent = [self.raw() for _ in range(40)]
        self.assertEqual(silent[0].recv(1), b"")
        (self.folder / "verb.go").touch()
        self.assertTrue(json.loads(waiting.makefile().readline())["ok"])

    def test_where_all_wait_one_more_is_turned_away_and_the_next_is_not(self):
        waiting = [self.raw() for _ in range(32)]
        for peer in waiting:
            peer.sendall(WAIT)
        self.wait_until("all wait", self.is_turned_away)
        waiting[0].close()
        self.there("verb.cancelled")
        self.ashlar("status")

    def is_turned_away(self):
        done = subprocess.run([PROGRAM, "status", "--control", f"unix:{self.control}"], capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode == 1 and "the server is busy: 32 control connections wait for answers" in done.stderr


class Places(Running):
    settings = {"max_connections": 1}

    def test_who_is_turned_away_is_counted_and_told_of(self):
        self.assertEqual(self.get("/readyz")[0], 200)
        client = self.client()
        self.assertEqual(self.get("/readyz")[0], 503)
        self.assertEqual(self.get("/healthz")[0], 200)
        self.assertEqual(self.status()["turned_away"], 0)
        for _ in range(2):
            with wire.Client(self.server) as other:
                self.assertTrue(other.is_closed())
        self.wait_until("they are counted", lambda: self.status()["turned_away"] == 2)
        self.assertEqual(self.figures()["ashlar_clients_turned_away_total"], 2)
        self.assertIn("2 clients turned away", self.ashlar("status"))
        client.close()
        self.wait_until("there is a place", lambda: self.get("/readyz")[0] == 200)


class Sizes(Running):
    def exports(self):
        return [config.file_export(self.folder / "disk.img")]

    def test_a_client_keeps_the_size_that_it_was_told(self):
        old = self.client()
        os.truncate(self.folder / "disk.img", 32 * MIB)
        self.assertEqual((self.export()["size"], self.export()["clients"][0]["size"]), (16 * MIB, 16 * MIB))
        new = self.client()
        self.assertEqual(old.ask(wire.CMD_READ, 16 * MIB, 512), wire.EINVAL)
        self.assertEqual(len(new.ask(wire.CMD_READ, 16 * MIB, 512)), 512)
        self.wait_until("both are there", lambda: len(self.export()["clients"]) == 2)
        told = self.export()
        self.assertEqual(told["size"], 32 * MIB)
        self.assertEqual(sorted(one["size"] for one in told["clients"]), [16 * MIB, 32 * MIB])
        self.assertIn(f"was told {16 * MIB} bytes", self.ashlar("status"))
        self.wait_until("it is logged", lambda: f'export "disk" has {32 * MIB} bytes now, and had {16 * MIB}' in self.server.log())


if __name__ == "__main__":
    main(at_once=True)
