#!/usr/bin/env python3
"""The filter retry in a server: what becomes of a request that is made again when its client has gone, and when the server stops."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import wire  # noqa: E402
from lib.case import PATIENCE, Case, main  # noqa: E402
from lib.config import memory_export  # noqa: E402
from lib.server import PROGRAM  # noqa: E402


class Retry(Case):
    def start(self, **export):
        """Nothing succeeds, and what fails is made again for hours."""
        self.control = f"unix:{self.folder}/control.sock"
        filters = [{"type": "retry", "times": 1000, "delay": "20s", "max_delay": "20s"},
                   {"type": "fault", "rules": ["read error=EIO", "write error=EIO"]}]
        self.server = self.serve([memory_export("1M", name="disk", filters=filters, **export)], control=self.control)

    def ashlar(self, *words):
        done = subprocess.run([PROGRAM, *words, "--control", self.control], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def clients(self):
        return json.loads(self.ashlar("status", "--json"))["exports"][0]["clients"]

    def gone_after(self, command, data=b""):
        """Asks for 512 bytes and goes when it is known that this has failed."""
        client = wire.Client(self.server)
        client.go("disk")
        client.request(command, 0, 512, data=data)
        self.wait_until("it is to be made again", lambda: "it is made again in" in self.server.log())
        client.close()

    def test_a_read_is_given_up_when_its_client_has_gone(self):
        self.start()
        self.gone_after(wire.CMD_READ)
        self.wait_until("it is given up, and the client is gone", lambda: self.clients() == [])

    def test_a_write_is_not_and_its_client_counts_until_the_server_stops(self):
        self.start(exclusive=True)
        self.gone_after(wire.CMD_WRITE, bytes(512))
        self.is_full()
        self.ashlar("disconnect", *(str(client["id"]) for client in self.clients()))
        self.is_full()
        self.server.stop()
        self.assertIn("write offset 0 length 512: Operation canceled", self.server.log())

    def is_full(self):
        """Who comes waits two seconds for the place of the client that has gone, in vain."""
        with wire.Client(self.server) as second, self.assertRaises(AssertionError):
            second.go("disk")
        self.assertEqual([client["in_flight"] for client in self.clients()], [1])


if __name__ == "__main__":
    main()
