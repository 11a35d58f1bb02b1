"""A running `ashlar serve`."""

import os
import pathlib
import select
import signal
import time
import urllib.parse

from . import processes, tls

PROGRAM = os.environ.get("ASHLAR") or str(pathlib.Path(__file__).resolve().parents[3] / "build" / "bin" / "ashlar")
SANITIZED = bool(os.environ.get("ASHLAR_SANITIZE"))
TRANSPORT = os.environ.get("ASHLAR_TRANSPORT", "unix")  # how clients come that can come either way: unix, tcp or tls (on unix)
_PATIENCE = 60  # seconds; only a hang takes so long


class Server:
    """Started with the words after `serve`; ready when constructed. `listening` are the addresses it has told.

    `within` are the words of a command that ends by executing the words behind it; `stderr` is a descriptor to log to instead of
    the file `log`."""

    def __init__(self, words, log, addresses=1, environment=None, within=(), stderr=None):
        self.log_path = pathlib.Path(log)
        self.stopped = False
        with open(self.log_path, "wb") as log_file:
            self.process = processes.start([*within, PROGRAM, "serve", *words], stdout=processes.subprocess.PIPE,
                                           stderr=log_file if stderr is None else stderr,
                                           env={**os.environ, **(environment or {})})
        self.pid = self.process.pid
        self.listening = self._wait_until_ready(addresses)

    def _wait_until_ready(self, addresses):
        """Reads the lines `listening on ADDRESS`, one per address."""
        found, text, end = [], b"", time.monotonic() + _PATIENCE
        while len(found) < addresses:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not part:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the server is not ready; it printed {text!r} and logged:\n{self.log()}")
            text += part
            lines = text.decode().split("\n")[:-1]
            found = [line.removeprefix("listening on ") for line in lines if line.startswith("listening on ")]
        return found

    def address(self, kind="unix"):
        return next(address for address in self.listening if address.startswith(kind + ":"))

    @property
    def socket(self):
        return self.address("unix").removeprefix("unix:")

    def endpoint(self, kind="unix"):
        """Where a socket of the family connects to."""
        if kind in ("unix", "tls"):
            return self.socket
        host, _, port = self.address(kind).removeprefix(f"{kind}:").rpartition(":")
        return host, int(port)

    def uri(self, export="", kind="unix"):
        """An NBD URI (the NBD project's uri.md) of one export."""
        name = urllib.parse.quote(export, safe="")
        if kind == "tls":
            return f"nbds+unix:///{name}?socket={self.socket}&tls-certificates={tls.client_folder()}"
        if kind == "unix":
            return f"nbd+unix:///{name}?socket={self.socket}"
        return f"nbd://{self.address('tcp').removeprefix('tcp:')}/{name}"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def stop(self, how=signal.SIGTERM):
        """Asks it to stop; it has to do so with exit code 0 and to take its unix sockets with it."""
        if self.stopped:
            return
        self.stopped = True
        if self.alive():
            self.process.send_signal(how)
        try:
            code = self.process.wait(_PATIENCE)
        except processes.subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server does not stop; it logged:\n{self.log()}") from None
        finally:
            self.process.stdout.close()
        if code != 0:
            raise AssertionError(f"the server ended with exit code {code}; it logged:\n{self.log()}")
        left = [address for address in self.listening
                if address.startswith("unix:") and os.path.lexists(address.removeprefix("unix:"))]
        if left:
            raise AssertionError(f"sockets were left behind: {left}")
