"""Writes files of the filter trace, by its FORMAT.md alone: what a server would not do when a test wants it."""

import struct

from .trace_file import ENTRY, FLAGS, HEADER, INFO, OPS, RECORD, check

MINUTE = 60 * 10**9


class TraceWriter:
    """Runs of one place each, one segment a run. Times are nanoseconds; each run begins at a time of its own."""

    def __init__(self, path):
        self.path = path
        self.file = bytearray()
        self.sequence = 0
        self.segment = bytearray()

    def begin(self, run=1, tag="above", export="disk", realtime=1_700_000_000 * 10**9, monotonic=0, **texts):
        self._end_segment()
        self.sequence += 1
        self.head = [run, realtime, monotonic]
        self.ids = 0
        given = {"tag": tag, "export": export, "size": "1048576", "minimum": "1", "preferred": "4096",
                 "payload": "none", **texts}
        self._info(2, 0, given)
        self._info(3, 1, {"transport": "unix", "export_name": export})
        return self

    def _entry(self, kind, more, body):
        body += bytes(-len(body) % 8)
        rest = struct.pack("<IHHI", len(body) + ENTRY.size, kind, 0, more) + body
        self.segment += struct.pack("<I", check(rest, self.sequence)) + rest

    def _info(self, kind, connection, texts):
        text = "".join(f"{key}={value}\0" for key, value in texts.items()).encode()
        self._entry(kind, 0, INFO.pack(connection, 0) + text)

    def request(self, op, offset=0, length=0, start=0, done=None, sent=0, flags=(), result=0, depth=0, connection=1,
                ident=None, data=None):
        """In the order in which they were finished. Returns the id."""
        self.ids = self.ids + 1 if ident is None else ident
        bits = sum(1 << FLAGS.index(flag) for flag in flags)
        done = start if done is None else done
        body = RECORD.pack(self.ids, connection, offset, length, start, done, sent, bits, result, OPS.index(op),
                           0 if data is None else 2, 1, 0)
        self._entry(1, depth, body + (data or b""))
        return self.ids

    def dropped(self, requests):
        self._info(5, 0, {"requests": requests})

    def _end_segment(self, ended=True):
        if not self.segment:
            return
        if ended:
            self._entry(7, 0, INFO.pack(0, 0))
        size = HEADER.size + len(self.segment)
        size += -size % 4096
        run, realtime, monotonic = self.head
        header = HEADER.pack(b"ashtrace", 1, HEADER.size, len(self.file), size, self.sequence, run, realtime, monotonic,
                             0, 0)[:-4]
        whole = header + struct.pack("<I", check(header)) + self.segment
        self.file += whole + bytes(size - len(whole))
        self.segment = bytearray()

    def end(self, ended=True):
        """Writes the file. `ended`: else as that of a server that still runs."""
        self._end_segment(ended)
        with open(self.path, "wb") as file:
            file.write(self.file)
        return self.path
