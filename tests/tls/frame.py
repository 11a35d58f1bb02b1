"""The frame of the TLS tests."""

import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import config, images, libnbd, processes, tls, wire  # noqa: E402,F401
from lib.case import Case, main  # noqa: E402,F401
from lib.images import MIB, pattern  # noqa: E402,F401
from lib.processes import run  # noqa: E402,F401
from lib.server import PROGRAM  # noqa: E402,F401

SIZE = 8 * MIB
PATIENCE = 60  # seconds; only a failure takes so long


class TlsCase(Case):
    """A server with the exports "disk", and "sealed", which is for TLS only."""

    def secured(self, mode="require", listen=None, certificates=None, more=None, **settings):
        own = tls.settings(mode)
        if certificates is not None:
            own = {"mode": mode, "certificates": certificates}
        own.update(more or {})
        self.disk = self.folder / "disk.img"
        if not self.disk.exists():
            self.disk.write_bytes(pattern(SIZE))
        exports = [config.file_export(self.disk), config.file_export(self.disk, "sealed", tls="require")]
        return self.serve(exports, listen=listen, tls=own, **settings)

    def client(self, server, kind="unix"):
        client = wire.Client(server, kind=kind)
        self.addCleanup(client.close)
        return client

    def greeted(self, server, flags=wire.FLAG_C_FIXED_NEWSTYLE | wire.FLAG_C_NO_ZEROES):
        client = self.client(server)
        client.greet(flags)
        return client

    def assert_reads(self, client, name="disk"):
        """The client, which has greeted, is served."""
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data(name))[-1][0], wire.REP_ACK)
        self.assert_same(client.ask(wire.CMD_READ, 4096, 70_000), pattern(SIZE)[4096:74_096], "what was read")

    def assert_logged(self, server, text):
        """Sooner or later: the log is written by a thread of its own."""
        end = time.monotonic() + PATIENCE
        while not re.search(text, server.log()):
            self.assertLess(time.monotonic(), end, f"{text!r} is not in the log: {server.log()[-3000:]}")
            time.sleep(0.05)

    def good_client(self, server):
        client = self.greeted(server)
        client.secure(tls.context(tls.client_folder()))
        self.assert_reads(client)
        client.close()
