"""The servers that are compared, and how each is started on an image. A peer that is not installed is left out."""

import contextlib
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time

import processes

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from lib import ports  # noqa: E402

BASE = "nbdkit"  # the server that others are told in multiples of
PATIENCE = 30  # seconds; only a failure takes so long


class Place:
    """Where a server is to listen: over unix or tcp. `tls`: the folder that `ashlar certs` has made; None: plainly."""

    def __init__(self, folder, transport, tls=None):
        self.folder, self.transport, self.tls = pathlib.Path(folder), transport, tls
        self.socket = self.folder / "s.sock"
        self.port = ports.free()

    @property
    def address(self):
        return f"unix:{self.socket}" if self.transport == "unix" else f"tcp:127.0.0.1:{self.port}"

    def uri(self, export=""):
        if self.transport == "unix":
            return f"nbd+unix:///{export}?socket={self.socket}"
        return f"nbd://127.0.0.1:{self.port}/{export}"

    def connect(self):
        if self.transport == "tcp":
            return socket.create_connection(("127.0.0.1", self.port))
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(self.socket))
        except OSError:
            client.close()
            raise
        return client


class Nbdkit:
    name, program, export = "nbdkit", "nbdkit", ""

    def command(self, image, place):
        where = ["-U", place.socket] if place.transport == "unix" else ["-i", "127.0.0.1", "-p", place.port]
        tls = ["--tls=require", f"--tls-certificates={place.tls}/server", "--tls-verify-peer"] if place.tls else []
        return ["nbdkit", "-f", *where, *tls, "file", image]

    def version(self):
        return processes.output(["nbdkit", "--version"]).strip()


class QemuNbd:
    program, export = "qemu-nbd", ""

    def __init__(self, aio, direct=False):
        self.name, self.aio, self.direct = f"qemu-nbd {aio}", aio, direct

    def command(self, image, place):
        where = ["-k", place.socket] if place.transport == "unix" else ["-b", "127.0.0.1", "-p", place.port]
        cache = ["--cache=none"] if self.direct else []
        return ["qemu-nbd", "-t", "-e", 2000, "-f", "raw", *where, f"--aio={self.aio}", *cache, "--discard=unmap", image]

    def version(self):
        return processes.output(["qemu-nbd", "--version"]).splitlines()[0]


class NbdServer:
    """Serves more than one connection only as a daemon, and so tells its process by file."""

    name, program, export = "nbd-server", "nbd-server", "disk"
    pid_file = "nbd-server.pid"

    def command(self, image, place):
        config = place.folder / "nbd-server.conf"
        unix = f"unixsock={place.socket}\n" if place.transport == "unix" else ""
        config.write_text(f"[generic]\n{unix}listenaddr=127.0.0.1\nport={place.port}\n[disk]\nexportname={image}\ntrim=true\n")
        return ["nbd-server", "-C", config, "-p", place.folder / self.pid_file]

    def version(self):
        return "nbd-server " + processes.output(["dpkg-query", "-W", "-f", "${Version}", "nbd-server"])


class Ashlar:
    program, export = None, "disk"

    def __init__(self, binary, name="ashlar", filters=(), direct=False, **server):
        self.binary, self.name, self.filters, self.direct, self.server = binary, name, filters, direct, server

    def command(self, image, place):
        tls = [f'tls = {{ mode = "require", certificates = "{place.tls}/server" }}'] if place.tls else []
        lines = ["[server]", *tls, f'listen = ["{place.address}"]', *(f"{key} = {value}" for key, value in self.server.items()),
                 "[[export]]", 'name = "disk"']
        for one in self.filters:
            lines += ["[[export.filter]]", *(f"{key} = {value}" for key, value in one.items())]
        lines += ["[export.plugin]", 'type = "file"', f'path = "{image}"']
        lines += ["direct = true"] if self.direct else []
        config = place.folder / "ashlar.toml"
        config.write_text("\n".join(lines) + "\n")
        return [self.binary, "serve", config]

    def version(self):
        return processes.output([self.binary, "--version"]).strip()


def known(binary):
    """Every server by name, ashlar first; those that are not installed are left out."""
    peers = [Ashlar(binary), Nbdkit(), QemuNbd("threads"), QemuNbd("io_uring"), NbdServer()]
    return {peer.name: peer for peer in peers if peer.program is None or shutil.which(peer.program)}


class Running:
    """A server that takes connections."""

    def __init__(self, peer, image, place, log):
        self.peer, self.place = peer, place
        begin = time.perf_counter()
        process = processes.start(peer.command(image, place), stdout=log, stderr=log)
        pid_file = getattr(peer, "pid_file", None)
        self.process = processes.Daemon(process, place.folder / pid_file) if pid_file else process
        self.pid = self.process.pid
        self._wait_until_ready(log)
        self.start_ms = (time.perf_counter() - begin) * 1000

    def _wait_until_ready(self, log):
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self.place.connect().close()
                return
            except OSError:
                time.sleep(0.0002)
        processes.stop(self.process)
        log.seek(0)
        raise RuntimeError(f"{self.peer.name} is not ready: {log.read().decode(errors='replace').strip()[-300:]}")

    @property
    def address(self):
        return self.place.address

    @property
    def uri(self):
        return self.place.uri(self.peer.export)


@contextlib.contextmanager
def certificates(binary):
    """A folder with certificates of a server and of the client "bench", for the duration of the block."""
    with tempfile.TemporaryDirectory(prefix="ashlar-bench-tls-") as folder:
        processes.output([binary, "certs", folder, "--server", "localhost,127.0.0.1", "--client", "bench"])
        yield folder


@contextlib.contextmanager
def serving(peer, image, transport="unix", kill=False, tls=None):
    """Runs `peer` on `image` for the duration of the block. `tls`: see Place. `kill`: then ends it without ceremony: qemu-nbd does not
    hear a SIGTERM that comes right after its start."""
    with tempfile.TemporaryDirectory(prefix="ashlar-bench-") as folder, open(os.path.join(folder, "log"), "w+b") as log:
        running = Running(peer, image, Place(folder, transport, tls), log)
        try:
            yield running
        finally:
            if kill:
                running.process.kill()
            processes.stop(running.process)
