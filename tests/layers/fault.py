#!/usr/bin/env python3
"""The filter fault in a server: what its operator tells it, that what waits in it starves nobody, and that it ends with the server."""
import json
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd, processes, wire  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import file_export, memory_export  # noqa: E402
from lib.libnbd import nbd  # noqa: E402
from lib.server import PROGRAM, SANITIZED  # noqa: E402

SIZE = 1 << 20
PATIENCE = 60  # seconds; only a failure takes so long


class Fault(Case):
    each = 100 if SANITIZED else 1000  # requests of a client, where very many hang

    def start(self, exports, **settings):
        self.control = f"unix:{self.folder}/control.sock"
        self.server = self.serve(exports, control=self.control, **settings)

    def faulty(self, name="disk", **parameters):
        self.sparse_file(f"{name}.img", SIZE)
        return file_export(self.folder / f"{name}.img", name, [{"type": "fault", **parameters}])

    def ashlar(self, *words, code=0):
        """What the verb answers; the command has to end with `code`."""
        done = subprocess.run([PROGRAM, "control", "--control", self.control, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr if code else done.stdout

    def in_flight(self, name):
        status = subprocess.run([PROGRAM, "status", "--json", "--control", self.control], capture_output=True, timeout=PATIENCE)
        return next(one for one in json.loads(status.stdout)["exports"] if one["name"] == name)["in_flight"]

    def test_errors_of_the_config_and_of_the_operator(self):
        self.start([self.faulty(rules=["range=0..4K read error=EIO"])])
        client = libnbd.connect(self.server.uri("disk"))
        with self.assertRaises(nbd.Error) as failed:
            client.pread(512, 0)
        self.assertEqual(failed.exception.errno, "EIO")
        self.assertEqual(client.pread(512, 4096), bytes(512))
        self.assertIn("rule 2", self.ashlar("disk/fault", "add", "write error=ENOSPC every=2"))
        client.pwrite(bytes(512), 0)
        with self.assertRaises(nbd.Error) as failed:
            client.pwrite(bytes(512), 0)
        self.assertEqual(failed.exception.errno, "ENOSPC")
        self.assertIn("2: write error=ENOSPC every=2 (matches=2 hits=1)", self.ashlar("disk/fault", "list"))
        self.assertIn("is no fault", self.ashlar("disk/fault", "add", "write eror", code=2))
        self.ashlar("disk/fault", "remove", "1")
        self.assertEqual(client.pread(512, 0), bytes(512))
        client.shutdown()

    def test_a_power_cut_drops_what_was_not_flushed(self):
        self.start([self.faulty(volatile=True)])
        client = libnbd.connect(self.server.uri("disk"))
        client.pwrite(b"a" * 4096, 0)
        client.flush()
        client.pwrite(b"b" * 4096, 0)
        client.pwrite(b"c" * 4096, 8192, nbd.CMD_FLAG_FUA)
        self.assertEqual(client.pread(4096, 0), b"b" * 4096)
        self.assertIn("4096 bytes", self.ashlar("disk/fault", "power-cut"))
        self.assertEqual(client.pread(4096, 0), b"a" * 4096)
        self.assertEqual(client.pread(4096, 8192), b"c" * 4096)
        client.shutdown()

    def test_a_connection_is_dropped(self):
        self.start([self.faulty(rules=["connection drop after=1 times=1"])])
        client = libnbd.connect(self.server.uri("disk"))
        client.pread(512, 0)
        with self.assertRaises(nbd.Error):
            client.pread(512, 0)
        self.assertTrue(client.aio_is_dead() or client.aio_is_closed())
        again = libnbd.connect(self.server.uri("disk"))
        self.assertEqual(again.pread(512, 0), bytes(512))
        again.shutdown()

    def test_a_group_is_paused_and_resumed(self):
        self.start([self.faulty("one"), self.faulty("two"), memory_export("1M")])
        self.assertEqual(self.ashlar("*/fault", "pause").count("paused"), 2)
        client = libnbd.connect(self.server.uri("two"))
        writer = threading.Thread(target=client.pwrite, args=(b"x" * 4096, 0))
        writer.start()
        self.wait_until("a write waits", lambda: self.in_flight("two") == 1)
        self.assertEqual((self.folder / "two.img").read_bytes(), bytes(SIZE))
        self.ashlar("*/fault", "resume")
        writer.join(PATIENCE)
        self.assertFalse(writer.is_alive())
        self.assertEqual((self.folder / "two.img").read_bytes()[:4096], b"x" * 4096)
        client.shutdown()

    def test_a_group_is_paused_though_one_of_it_is_read_only(self):
        fixed = {**self.faulty("fixed"), "read_only": True}
        self.start([fixed, self.faulty("one"), self.faulty("two")])
        said = self.ashlar("*/fault", "pause").splitlines()
        self.assertEqual(said, ["fixed:", "left out: the export is read-only", "one:", "paused", "two:", "paused"])
        self.assertEqual(self.ashlar("*/fault", "resume").count("resumed"), 2)
        self.assertIn("the export is read-only", self.ashlar("fixed/fault", "pause", code=1))

    def test_what_hangs_starves_no_other_export_and_does_not_keep_the_server_from_stopping(self):
        self.start([self.faulty(rules=["read hang", "write hang"]), memory_export("1M")], workers=2)
        hung = [libnbd.connect(self.server.uri("disk")) for _ in range(4)]
        buffers = []
        for client in hung:
            for number in range(16):
                buffers.append(nbd.Buffer(512))
                client.aio_pread(buffers[-1], number * 512)
                client.aio_pwrite(buffers[-1], number * 512)
            while client.aio_get_direction() & nbd.AIO_DIRECTION_WRITE:
                client.poll(100)
        self.wait_until("they hang", lambda: self.in_flight("disk") >= 4)
        other = libnbd.connect(self.server.uri("memory"))
        other.pwrite(b"y" * 4096, 0)
        self.assertEqual(other.pread(4096, 0), b"y" * 4096)
        other.shutdown()
        self.server.stop()

    def all_hang(self, op):
        """Ten clients with requests that hang, where all layers park: returns the clients, and the requests as each has sent them."""
        hanging = {"name": "null", "filters": [{"type": "fault", "rules": [f"{op} hang"]}], "plugin": {"type": "null", "size": "1G"}}
        self.start([hanging])
        before, threads = processes.resident_bytes(self.server.pid), processes.threads(self.server.pid)
        command, payload = (wire.CMD_READ, b"") if op == "read" else (wire.CMD_WRITE, bytes(4096))
        requests = b"".join(wire.request(command, 4096 * n, 4096) + payload for n in range(self.each))
        clients = [wire.Client(self.server) for _ in range(10)]
        for client in clients:
            self.addCleanup(client.close)
            client.go("null")
            client.send(requests)
        self.wait_until("all hang", lambda: self.in_flight("null") == 10 * self.each)
        self.assertLessEqual(processes.threads(self.server.pid), threads + 10 + 5, "a thread for each client, and those of the server")
        if not SANITIZED:
            self.assertLess(processes.resident_bytes(self.server.pid) - before, 100 << 20)
        clients[0].request(wire.CMD_FLUSH)
        self.assertEqual(clients[0].simple_reply(), (0, b""))
        return clients, requests

    def test_where_all_layers_park_what_hangs_keeps_no_threads_and_little_memory(self):
        clients, requests = self.all_hang("read")
        for client in clients[5:]:
            client.close()
        self.wait_until("who left is gone", lambda: self.in_flight("null") == 5 * self.each)
        self.ashlar("null/fault", "remove", "1")
        for client in clients[:4]:
            for _ in range(self.each):
                self.assertEqual(client.simple_reply(4096), (0, bytes(4096)))
        self.ashlar("null/fault", "add", "read hang")
        clients[0].send(requests)
        self.wait_until("they hang again", lambda: self.in_flight("null") >= self.each)
        self.server.stop()

    def test_where_all_layers_park_writes_that_hang_keep_no_threads_and_little_memory(self):
        clients, requests = self.all_hang("write")
        self.ashlar("null/fault", "remove", "1")
        for client in clients:
            for _ in range(self.each):
                self.assertEqual(client.simple_reply(), (0, b""))
        self.ashlar("null/fault", "add", "write hang")
        clients[0].send(requests)
        self.wait_until("they hang again", lambda: self.in_flight("null") == self.each)
        self.server.stop()

    def test_the_rig_of_the_examples(self):
        rig = pathlib.Path(__file__).resolve().parents[2] / "examples" / "test-rig.toml"
        self.server = self.serve_words([self.write("test-rig.toml", rig.read_text())])
        self.control = f"unix:{self.folder}/rig-control.sock"
        client = libnbd.connect(self.server.uri("disk"))
        failed = 0
        for number in range(200):
            try:
                client.pread(512, 512 * number)
            except nbd.Error:
                failed += 1
        self.assertEqual(failed, 2)
        with self.assertRaises(nbd.Error):
            client.pwrite(b"x" * 8192, 512 << 10)
        client.pwrite(b"y" * 4096, 0)
        self.assertIn("bytes that were not flushed", self.ashlar("disk/fault", "power-cut"))
        self.assertEqual(client.pread(4096, 0), bytes(4096))
        client.shutdown()
        self.server.stop()
        shown = subprocess.run([PROGRAM, "trace", "report", str(self.folder / "rig.trace")], capture_output=True,
                               text=True, timeout=PATIENCE)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("EIO", shown.stdout)


if __name__ == "__main__":
    main()
