#!/usr/bin/env python3
"""What the host does for the layers of one connection, through the real program."""
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import wire  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import memory_export  # noqa: E402

OUTSIDE, RECORDER = os.environ["ASHLAR_OUTSIDE"], os.environ["ASHLAR_RECORDER"]
MANY = 200  # requests that wait at once


class Outside(Case):
    def setUp(self):
        super().setUp()
        self.gate = self.folder / "gate"
        filters = [{"type": OUTSIDE, "gate": str(self.gate)}, {"type": RECORDER, "label": "below"}]
        self.server = self.serve([memory_export("1M", "disk", filters)], workers=300)

    def talking(self, name="disk"):
        client = wire.Client(self.server)
        self.addCleanup(client.close)
        client.go(name)
        return client

    def said(self, text, times=1):
        self.wait_until(f"the log says {text!r}", lambda: self.server.log().count(text) >= times)

    def test_who_the_client_is(self):
        self.talking("disk")
        self.talking("")
        self.said(f"client number=1 name=disk uid={os.getuid()} address=")
        self.said(f"client number=2 name= uid={os.getuid()} address=")

    def test_as_many_wait_at_once_as_the_layer_gains_from(self):
        client = self.talking()
        for _ in range(MANY):
            client.request(wire.CMD_READ, 0, 512)
        self.said("waits", times=MANY)
        self.gate.touch()
        for _ in range(MANY):
            self.assertEqual(client.simple_reply(512)[0], 0)

    def test_a_client_that_goes_cancels_what_waits(self):
        client = self.talking()
        client.request(wire.CMD_READ, 0, 512)
        self.said("waits")
        client.close()
        self.said("cancelled")
        self.said("closed export")

    def test_a_client_that_goes_is_missed_over_tcp_too(self):
        server = self.serve([memory_export("1M", "disk", [{"type": OUTSIDE, "gate": str(self.gate)}])],
                            listen=["tcp:127.0.0.1:0"])
        client = wire.Client(server, kind="tcp")
        client.go("disk")
        client.request(wire.CMD_READ, 0, 512)
        client.close()
        self.wait_until("the log says cancelled", lambda: "cancelled" in server.log())
        self.wait_until("the log says closed", lambda: "closed export" in server.log())

    def test_a_client_that_goes_before_its_request_waits(self):
        for number in range(1, 11):
            client = self.talking()
            client.request(wire.CMD_READ, 0, 512)
            client.close()
            self.said("closed export", times=number)

    def test_a_server_that_stops_cancels_what_waits(self):
        client = self.talking()
        client.request(wire.CMD_READ, 0, 512)
        self.said("waits")
        self.server.stop()
        self.assertIn("cancelled", self.server.log())

    def test_layers_below_are_opened_anew(self):
        client = self.talking()
        self.said("opened export")  # then the lines before it are there, too
        before = len(re.findall(r"call open below", self.server.log()))
        client.request(wire.CMD_TRIM, 0, 512)
        self.assertEqual(client.simple_reply(), (0, b""))
        self.gate.touch()
        client.request(wire.CMD_READ, 0, 512)
        self.assertEqual(client.simple_reply(512)[0], 0)
        self.wait_until("it was opened anew",
                        lambda: len(re.findall(r"call open below", self.server.log())) == before + 1)

    def test_a_layer_ends_the_connection(self):
        client, other = self.talking(), self.talking()
        client.request(wire.CMD_TRIM, 4096, 512)
        with self.assertRaises(wire.Closed):
            client.simple_reply()
        self.said("a layer ended the connection")
        other.request(wire.CMD_FLUSH)
        self.assertEqual(other.simple_reply(), (0, b""))


if __name__ == "__main__":
    main()
