"""The frame of these tests: a server with a control socket and metrics, both at unix sockets in the test's folder."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import config, libnbd, wire  # noqa: E402,F401
from lib.case import Case, main  # noqa: E402,F401
from lib.images import MIB  # noqa: E402,F401
from lib.server import PROGRAM  # noqa: E402

BENCH_LOAD = os.environ["ASHLAR_BENCH_LOAD"]
PATIENCE = 60  # seconds; only a failure takes so long


class Running(Case):
    settings = {}  # further ones of [server]
    within = ()

    def setUp(self):
        super().setUp()
        self.control, self.metrics = self.folder / "control.sock", self.folder / "metrics.sock"
        self.prepare()
        self.server = self.serve(self.exports(), control=f"unix:{self.control}", metrics=f"unix:{self.metrics}",
                                 within=self.within, **self.settings)

    def prepare(self):
        """Makes the files of the exports."""
        self.sparse_file("disk.img", 16 * MIB)

    def exports(self):
        return [config.file_export(self.folder / "disk.img"), config.memory_export("1M", "memory", [{"type": "log"}])]

    def ashlar(self, *words, code=0):
        """What the command prints; it has to end with `code`."""
        done = subprocess.run([PROGRAM, *map(str, words)], env={**os.environ, "ASHLAR_CONTROL": f"unix:{self.control}"},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr if code else done.stdout

    def status(self):
        return json.loads(self.ashlar("status", "--json"))

    def export(self, name="disk"):
        return next(one for one in self.status()["exports"] if one["name"] == name)

    def client(self, name="disk"):
        client = wire.Client(self.server, PATIENCE)
        self.addCleanup(client.close)
        return client.go(name)

    def raw(self):
        """A connection to the control socket."""
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(PATIENCE)
        peer.connect(str(self.control))
        self.addCleanup(peer.close)
        return peer

    def http(self, request):
        """Status, headers and body of the answer to `request`."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(str(self.metrics))
            peer.sendall(request)
            answer = b""
            while part := peer.recv(1 << 16):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode(), body.decode()

    def get(self, path, *headers):
        lines = [f"GET {path} HTTP/1.1", "Host: here", "Connection: close", *headers, "", ""]
        return self.http("\r\n".join(lines).encode())

    def figures(self):
        """{"name{labels}": value} of /metrics."""
        status, _, body = self.get("/metrics")
        self.assertEqual(status, 200)
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in body.splitlines() if not line.startswith("#")}

    def names(self):
        """Of the exports that a new client is told of."""
        found = []
        handle = libnbd.NBD()
        handle.set_opt_mode(True)
        handle.connect_unix(self.server.socket)
        handle.opt_list(lambda name, _description: found.append(name))
        handle.opt_abort()
        return found

    def wait_until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                self.fail(f"not so: {what}")
            time.sleep(0.02)

    def load(self, job, connections=1, requests=2000):
        """Has the load generator send so many requests on each connection; returns how many that are."""
        subprocess.run([BENCH_LOAD, self.server.address(), "--export", "disk", "--requests", str(requests),
                        f"{job},connections={connections}"],
                       stdout=subprocess.DEVNULL, timeout=PATIENCE, check=True)
        return connections * requests
