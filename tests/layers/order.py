#!/usr/bin/env python3
"""The order of calls through a chain in which one filter stands three times: each a layer of its own."""
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import memory_export  # noqa: E402

RECORDER = os.environ["ASHLAR_RECORDER"]
DOWN, UP = ("top", "middle", "bottom"), ("bottom", "middle", "top")


def calls(log):
    """What the recorders wrote, in order."""
    return re.findall(r"\bcall (.*)$", log, re.MULTILINE)


def through(op):
    """One request on its way down and back."""
    return [f"enter {op} {label}" for label in DOWN] + [f"leave {op} {label}" for label in UP]


OPENED = [f"{call} {label}" for label in UP for call in ("open", "describe")]
CLOSED = [f"close {label}" for label in DOWN]


class Order(Case):
    # The log is read when the server has ended, and all is in it.

    def setUp(self):
        super().setUp()
        server = self.served()
        server.stop()
        self.at_start = calls(server.log())[:-len(DOWN)]  # but for the layers' end

    def served(self):
        filters = [{"type": RECORDER, "label": label} for label in DOWN]
        return self.serve([memory_export("1M", filters=filters)])

    def test_a_connection(self):
        server = self.served()
        client = libnbd.connect(server.uri())
        client.pwrite(b"x" * 512, 0)
        client.pread(512, 0)
        client.zero(512, 0)
        client.trim(512, 0)
        client.cache(512, 0)
        libnbd.extents(client, 512, 0)
        client.flush()
        client.shutdown()
        server.stop()
        told = calls(server.log())[len(self.at_start):]
        requests = [call for op in ("write", "read", "zero", "trim", "cache", "extents", "flush") for call in through(op)]
        # The layers go last, when no device is left, and in no order of their own.
        self.assertEqual(told[:-len(DOWN)], OPENED + requests + CLOSED)
        self.assertEqual(sorted(told[-len(DOWN):]), sorted(f"destroy {label}" for label in DOWN))

    def test_before_the_first_client(self):
        # The chain is opened once to see that it can be; each layer was created once for all that follows.
        told = self.at_start
        created = [call for call in told if call.startswith("create")]
        self.assertEqual(sorted(created), sorted(f"create {label}" for label in DOWN))
        self.assertEqual(told[len(DOWN):len(DOWN) + len(OPENED)], OPENED)
        self.assertEqual(told[-len(CLOSED):], CLOSED)

    def test_two_connections_share_the_layers_but_not_the_devices(self):
        server = self.served()
        one, two = libnbd.connect(server.uri()), libnbd.connect(server.uri())
        one.shutdown()
        two.shutdown()
        server.stop()
        told = calls(server.log())[len(self.at_start):]
        self.assertEqual([call for call in told if call.startswith("create")], [])
        for label in DOWN:
            self.assertEqual(told.count(f"open {label}"), 2)
            self.assertEqual(told.count(f"close {label}"), 2)
            self.assertEqual(told.count(f"destroy {label}"), 1)


if __name__ == "__main__":
    main()
