"""A log that nobody reads holds up neither clients nor the end."""

import os
import re
import threading

from frame import MIB, PATIENCE, Case, Server, config, main, wire

CLIENTS = 2000
# Each client's lines have it; all lines together are many times what the server keeps for a late reader.
NAME = "disk-" + "x" * 400
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (info|warning|error) ")
DROPPED = re.compile(r"warning (\d+) log lines? w\w+ dropped: ")


class Reader(threading.Thread):
    """Reads a log, once it is started, until its end."""

    def __init__(self, descriptor):
        super().__init__(daemon=True)
        self.descriptor, self.text, self.dropped = descriptor, b"", threading.Event()

    def run(self):
        while part := os.read(self.descriptor, 1 << 16):
            self.text += part
            if b" dropped: " in self.text:
                self.dropped.set()


class Unread(Case):
    def setUp(self):
        super().setUp()
        self.reader, writer = os.pipe()
        self.addCleanup(os.close, self.reader)
        exports = [config.memory_export("1M", NAME, [{"type": "log"}])]
        file = self.write("server.toml", config.toml(exports, listen=[f"unix:{self.folder}/server.sock"]))
        self.server = Server([file], self.folder / "server.log", stderr=writer)
        self.addCleanup(self.server.stop)
        os.close(writer)
        for _ in range(CLIENTS):
            self.visit()

    def visit(self):
        with wire.Client(self.server, PATIENCE).go(NAME) as client:
            self.assertEqual(client.ask(wire.CMD_READ, MIB - 512, 512), bytes(512))

    def test_the_server_stops(self):
        with wire.Client(self.server, PATIENCE).go(NAME) as idle:
            self.server.stop()
            self.assertTrue(idle.is_closed())

    def test_a_late_reader_learns_how_much_is_missing(self):
        late = Reader(self.reader)
        late.start()
        self.assertTrue(late.dropped.wait(PATIENCE), "no line tells of dropped ones")
        self.visit()
        self.server.stop()
        late.join()
        lines = late.text.decode().splitlines()
        for line in lines:
            self.assertRegex(line, LINE)
        dropped = [int(found[1]) for line in lines if (found := DROPPED.search(line))]
        # A client has five lines or more: those of the server and those of the filter.
        self.assertGreaterEqual(len(lines) + sum(dropped), 5 * CLIENTS)
        self.assertIn("SIGTERM: stopping", late.text.decode())


if __name__ == "__main__":
    main()
