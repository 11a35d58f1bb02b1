"""The frame of these tests: a server with a control socket, whose config is written anew and read again."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "control"))

from frame import MIB, PATIENCE, PROGRAM, Case, Running, config, libnbd, main, wire  # noqa: E402,F401
from lib import processes  # noqa: E402,F401

READ, WRITE = wire.CMD_READ, wire.CMD_WRITE


class Reloading(Running):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "0.toml"

    def addresses(self):
        return {"listen": [f"unix:{self.folder}/0.sock"], "control": f"unix:{self.control}", "metrics": f"unix:{self.metrics}"}

    @property
    def settings(self):
        # The files of exports that are yet to come.
        return {"sandbox": {"mode": "auto", "write": [str(self.folder)]}}

    def rewrite(self, exports, **server):
        self.file.write_text(config.toml(exports, **{**self.addresses(), **self.settings, **server}))

    def reload(self, exports, *words, **server):
        """Has the server serve that instead; returns what has changed."""
        self.rewrite(exports, **server)
        return json.loads(self.ashlar("reload", "--json", *words))

    def refused(self, exports, **server):
        """What is told of a config that has mistakes."""
        self.rewrite(exports, **server)
        return self.ashlar("reload", code=2)

    def wait_for_line(self, text):
        """In the server's log, which a thread of its own writes."""
        self.wait_until(f"the log has {text!r}", lambda: text in self.server.log())
