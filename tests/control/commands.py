"""What can be asked of a running server by its control socket, and by the commands that talk to it."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess

from frame import PROGRAM, Case, Running, config, main, wire

READ, WRITE, FLUSH = wire.CMD_READ, wire.CMD_WRITE, wire.CMD_FLUSH


class Status(Running):
    def test_it_tells_exports_and_clients(self):
        client = self.client()
        self.assertEqual(len(client.ask(READ, 0, 4096)), 4096)
        self.assertEqual(client.ask(WRITE, 0, 512, data=bytes(512)), 0)
        self.assertEqual(client.ask(FLUSH, 0, 0), 0)
        self.wait_until("three requests are counted", lambda: sum(self.export()["ops"].values()) == 3)
        told = self.status()
        self.assertEqual([one["name"] for one in told["exports"]], ["disk", "memory"])
        self.assertEqual(told["connections"], 1)
        self.assertRegex(self.ashlar("status"), "^ashlar .*, 1 connection\n")
        self.assertGreater(told["uptime"], 0)
        disk, memory = told["exports"]
        self.assertEqual((disk["chain"], memory["chain"][0], memory["clients"]), (["zero-emulation", "file"], "log", []))
        seen, = disk["clients"]
        self.assertEqual((seen["uid"], seen["pid"]), (os.getuid(), os.getpid()))
        for of in (seen, disk):
            self.assertEqual({op: n for op, n in of["ops"].items() if n}, {"read": 1, "write": 1, "flush": 1})
            self.assertEqual((of["bytes"], of["errors"], of["in_flight"]), (4608, 0, 0))
        client.close()
        self.wait_until("the client is gone", lambda: self.export()["clients"] == [])
        self.assertEqual(self.export()["ops"]["read"], 1)

    def test_for_people_it_is_text(self):
        self.client()
        text = self.ashlar("status")
        self.assertIn('export "disk": zero-emulation > file', text)
        self.assertIn(f"unix:pid={os.getpid()},uid={os.getuid()}", text)

    def test_top_shows_rows_and_ends_where_nobody_looks(self):
        self.client()
        text = self.ashlar("top")
        self.assertIn("READ/s", text)
        self.assertRegex(text, r"(?m)^disk +0 ")
        self.assertRegex(text, rf"(?m)^  \d+ pid {os.getpid()} ")


class UnderWay(Running):
    def exports(self):
        self.gate = self.folder / "gate"  # a read does not return while it is there
        hanger = {"type": os.environ["ASHLAR_HANGER_PLUGIN"], "in": "read", "gate": str(self.gate)}
        return [{"name": "slow", "plugin": hanger}]

    def test_requests_under_way_are_told(self):
        client = self.client("slow")
        self.gate.touch()
        self.addCleanup(self.gate.unlink, missing_ok=True)
        client.request(READ, 0, 512, cookie=1)
        self.wait_until("it is under way", lambda: self.export("slow")["in_flight"] == 1)
        seen, = self.export("slow")["clients"]
        self.assertEqual(seen["in_flight"], 1)
        self.assertGreater(seen["memory"], 0)
        self.gate.unlink()
        self.assertEqual(client.simple_reply(512, 1)[0], 0)
        self.wait_until("it is no more", lambda: self.export("slow")["in_flight"] == 0)


    def test_a_server_that_stops_takes_no_more_commands(self):
        peer, client = self.raw(), self.client("slow")
        self.gate.touch()
        self.addCleanup(self.gate.unlink, missing_ok=True)
        client.request(READ, 0, 512, cookie=1)
        self.wait_until("it is under way", lambda: self.export("slow")["in_flight"] == 1)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(peer.recv(1), b"")
        self.gate.unlink()
        self.assertEqual(client.simple_reply(512, 1)[0], 0)


class Orders(Running):
    def test_a_client_is_disconnected_by_its_id(self):
        one, other = self.client(), self.client()
        self.wait_until("both are known", lambda: len(self.export()["clients"]) == 2)
        ids = sorted(client["id"] for client in self.export()["clients"])
        self.assertEqual(self.ashlar("disconnect", ids[0]), "1 disconnected\n")
        self.assertTrue(one.is_closed())
        self.assertEqual(len(other.ask(READ, 0, 512)), 512)
        self.assertIn("no client has the ID 99", self.ashlar("disconnect", 99, code=1))

    def test_all_clients_of_an_export_are_disconnected(self):
        gone, stays = [self.client(), self.client()], self.client("memory")
        self.wait_until("all are known", lambda: self.status()["connections"] == 3 and len(self.export()["clients"]) == 2)
        self.assertEqual(self.ashlar("disconnect", "--export", "disk"), "2 disconnected\n")
        for client in gone:
            self.assertTrue(client.is_closed())
        self.assertEqual(len(stays.ask(READ, 0, 512)), 512)
        self.assertIn('did you mean "disk"', self.ashlar("disconnect", "--export", "disc", code=2))

    def test_an_empty_name_is_an_export_only_where_one_is_called_so(self):
        clients = [self.client(), self.client("memory")]
        self.wait_until("both are known", lambda: self.status()["connections"] == 2 and self.export("memory")["clients"])
        self.assertIn('no export ""; known: disk, memory', self.ashlar("disconnect", "--export", "", code=2))
        for client in clients:
            self.assertEqual(len(client.ask(READ, 0, 512)), 512)

    def test_draining_waits_for_the_last_client(self):
        client = self.client()
        waiting = subprocess.Popen([PROGRAM, "drain", "--control", f"unix:{self.control}"])
        self.addCleanup(waiting.wait)
        self.addCleanup(waiting.kill)
        self.wait_until("it drains", lambda: self.status()["draining"])
        self.assertEqual(self.get("/readyz")[0], 503)
        self.assertEqual(self.get("/healthz")[0], 200)
        with self.assertRaises((wire.Closed, OSError)):
            self.client()
        self.assertEqual(len(client.ask(READ, 0, 512)), 512)
        self.assertIsNone(waiting.poll())
        client.close()
        self.assertEqual(waiting.wait(timeout=60), 0)

    def test_the_log_level_is_set(self):
        self.ashlar("log-level", "debug")
        self.client().close()
        probe = wire.Client(self.server, 60)
        probe.close()
        self.wait_until("debug lines are logged", lambda: " debug " in self.server.log())
        self.assertIn('no level "loud"', self.ashlar("log-level", "loud", code=2))


class Layers(Running):
    def exports(self):
        trace = {"type": "trace", "path": str(self.folder / "disk.trace"), "ring": "1M", "tag": "above"}
        below = {**trace, "path": str(self.folder / "below.trace"), "tag": "below"}
        disk, memory = super().exports()
        disk["filters"] = [trace, below]
        (self.folder / "memory").mkdir()
        memory["filters"] = [{**trace, "path": str(self.folder / "memory/memory.trace")}]
        return [memory, disk, config.file_export(self.folder / "none", "later", optional=True)]

    def test_a_layer_answers_a_verb(self):
        self.client().ask(READ, 0, 512)
        for name, file in (("trace", "disk"), ("trace#2", "below")):
            self.ashlar("control", f"disk/{name}", "dump")
            self.wait_until("there is a trace", lambda: (self.folder / f"{file}.trace").exists())

    def test_a_layer_is_found_by_its_tag(self):
        self.client().ask(READ, 0, 512)
        self.ashlar("control", "disk/below", "dump")
        self.wait_until("there is a trace", lambda: (self.folder / "below.trace").exists())
        self.assertFalse((self.folder / "disk.trace").exists())

    def test_a_star_is_every_export_that_has_such_a_layer(self):
        self.assertIn("no file is made, as no request was finished", self.ashlar("control", "*/trace", "dump"))
        for name in "memory", "disk":
            self.client(name).ask(READ, 0, 512)
        self.ashlar("control", "*/trace", "dump")
        for file in ("disk.trace", "memory/memory.trace"):
            self.wait_until("there is a trace", (self.folder / file).exists)

    def test_what_is_not_there_is_told(self):
        for words, told in ((("disk/trac", "dump"), 'did you mean "trace"'), (("disc/trace", "dump"), 'did you mean "disk"'),
                            (("disk/trace", "dmp"), 'did you mean "dump"'), (("disk", "dump"), "names no layer"),
                            (("later/trace", "dump"), 'has no layer "trace"; it has not been opened yet'),
                            (("*/cow", "status"), "no export has a layer")):
            with self.subTest(words=words):
                self.assertIn(told, self.ashlar("control", *words, code=2))


class Several(Running):
    def exports(self):
        return [config.memory_export("1M", "plain", [{"type": "fault"}]),
                config.memory_export("1M", "other", [{"type": "fault", "volatile": True}])]

    def test_a_star_asks_all_though_the_first_refuses(self):
        client = self.client("other")
        self.assertEqual(client.ask(WRITE, 0, 4, data=b"lost"), 0)
        self.assertIn("plain", self.ashlar("control", "*/fault", "power-cut", code=2))  # which keeps nothing apart
        self.assertEqual(client.ask(READ, 0, 4), bytes(4))


class Socket(Running):
    def ask(self, peer, line):
        peer.sendall(line)
        answer = b""
        while not answer.endswith(b"\n"):
            part = peer.recv(1 << 16)
            if not part:
                return None
            answer += part
        return json.loads(answer)

    def test_it_is_for_its_owner(self):
        self.assertEqual(stat.S_IMODE(self.control.stat().st_mode), 0o600)

    def test_bad_commands_are_refused_and_the_next_is_answered(self):
        peer = self.raw()
        for line in (b"\n", b"{\n", b"[]\n", b'"status"\n', b"{}\n", b'{"command": 1}\n', b'{"command": "stat"}\n', b"\xff\x00\n",
                     b'{"command": "disconnect", "id": -1}\n', b'{"command": "disconnect", "id": "a"}\n', b'{"command": "disconnect"}\n',
                     b'{"command": "log-level", "level": []}\n',
                     b'{"command": "control", "layer": "disk/file", "verb": "x", "arguments": [1]}\n',
                     b"[" * 100000 + b"\n"):
            with self.subTest(line=line[:60]):
                answer = self.ask(peer, line)
                self.assertFalse(answer["ok"])
                self.assertIn(answer["code"], (1, 2))
                self.assertNotIn("\n", answer["error"])
        self.assertTrue(self.ask(peer, b'{"command": "status"}\n')["ok"])

    def test_a_line_that_is_too_long_is_refused(self):
        peer = self.raw()
        answer = self.ask(peer, b" " * (1 << 20) + b'{"command": "status"}')
        self.assertIn("longer than 1 MiB", answer["error"])
        with contextlib.suppress(ConnectionResetError):  # by what it has not read
            self.assertEqual(peer.recv(1), b"")  # what follows is no command: it may be the rest of the line

    def test_many_connections_hold_up_nobody(self):
        silent = [self.raw() for _ in range(100)]
        self.assertTrue(self.status()["exports"])
        self.assertEqual(silent[0].recv(1), b"")  # the oldest had to go
        for peer in silent:  # also while they speak
            with contextlib.suppress(OSError):
                peer.sendall(b'{"command": "status"}\n')
            self.raw().sendall(b'{"command": "status"}\n')
        self.assertTrue(self.status()["exports"])

    def test_two_commands_at_once_are_answered_in_order(self):
        peer = self.raw()
        peer.sendall(b'{"command": "status"}\n{"command": "none"}\n')
        answers = b""
        while answers.count(b"\n") < 2:
            answers += peer.recv(1 << 16)
        self.assertEqual([json.loads(line)["ok"] for line in answers.splitlines()], [True, False])


class NoServer(Case):
    def test_it_is_told_where_was_looked(self):
        for words in (["status"], ["top"], ["drain"], ["log-level", "info"], ["disconnect", "1"], ["control", "a/b", "c"]):
            with self.subTest(words=words):
                done = subprocess.run([PROGRAM, *words, "--control", f"unix:{self.folder}/none"], capture_output=True,
                                      text=True, timeout=60)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"no server at unix:{self.folder}/none", done.stderr)

    def test_one_that_cannot_be_asked_is_not_said_to_be_none(self):
        other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        other.bind(str(self.folder / "other"))
        done = subprocess.run([PROGRAM, "status", "--control", f"unix:{self.folder}/other"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot ask the server at unix:{self.folder}/other: Protocol wrong type for socket", done.stderr)

    def test_one_that_does_not_answer_is_not_waited_for_without_an_end(self):
        """Neither one that accepts nobody, behind whom one waits, nor one that says nothing."""
        asking = []
        for name, others in (("mute", 0), ("deaf", 1)):
            path = self.folder / name
            server = socket.socket(socket.AF_UNIX)
            self.addCleanup(server.close)
            server.bind(str(path))
            server.listen(0 if others else 8)
            for _ in range(others):
                other = socket.socket(socket.AF_UNIX)
                self.addCleanup(other.close)
                other.connect(str(path))
            said = "accepts nobody" if others else "does not answer"
            for words in (["status"], ["log-level", "info"], ["disconnect", "1"]):
                asks = subprocess.Popen([PROGRAM, *words, "--control", f"unix:{path}"], stderr=subprocess.PIPE, text=True)
                self.addCleanup(asks.wait)
                self.addCleanup(asks.kill)
                asking.append((asks, f"the server at unix:{path} {said}"))
        for asks, said in asking:
            self.assertIn(said, asks.communicate(timeout=120)[1])
            self.assertEqual(asks.returncode, 1)

    def test_what_is_no_answer_of_a_server_is_told_as_that(self):
        path = self.folder / "other"
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(str(path))
        other.listen()
        status, reload = ["status"], ["reload"]
        for words, answer in ((status, "{}"), (status, '{"ok": false}'), (status, '{"ok": false, "error": 1}'), (status, '{"ok": 1}'),
                              (status, '{"ok": true}'), (status, '{"ok": true, "status": 1}'), (["status", "--json"], '{"ok": true}'),
                              (status, '{"ok": true, "status": {"uptime": "a"}}'), (["top"], '{"ok": true}'), (["drain"], "{}"),
                              (["disconnect", "1"], '{"ok": true}'), (["control", "a/b", "c"], '{"ok": true, "answers": 1}'),
                              (reload, '{"ok": true}'), (reload, '{"ok": false, "error": "a", "mistakes": 1}'),
                              (["reload", "--json"], "{}")):
            with self.subTest(words=words, answer=answer):
                asks = subprocess.Popen([PROGRAM, *words, "--control", f"unix:{path}"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(asks.wait)
                self.addCleanup(asks.kill)
                with other.accept()[0] as peer:
                    peer.recv(1 << 16)
                    peer.sendall(answer.encode() + b"\n")
                    _, said = asks.communicate(timeout=60)
                self.assertEqual((asks.returncode, said),
                                 (1, f"ashlar: the server at unix:{path} has answered what is no answer of ashlar's\n"))

    def test_an_address_that_is_none_is_a_mistake(self):
        done = subprocess.run([PROGRAM, "status", "--control", "tcp:127.0.0.1:1"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    main()
