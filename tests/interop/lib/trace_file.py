"""A second reader of the filter trace's files, written by its FORMAT.md alone."""

import struct

import xxhash

OPS = ("read", "write", "flush", "trim", "zero", "cache", "extents")
FLAGS = ("fua", "may_trim", "fast", "req_one", "nowait", "may_lend", "may_hole", "may_lend_cold", "lend_only")
HEADER = struct.Struct("<8sIIQQQQQQII")
ENTRY = struct.Struct("<IIHHI")
RECORD = struct.Struct("<QQQQQQQQiBBBB")
INFO = struct.Struct("<QQ")
BLOCK = 4096


def check(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed) & 0xFFFFFFFF


def hashes(offset, data):
    """Of each of the disk's blocks that the bytes are of."""
    found, at = [], 0
    while at < len(data):
        length = min(BLOCK - (offset + at) % BLOCK, len(data) - at)
        found.append(xxhash.xxh3_64_intdigest(data[at:at + length]))
        at += length
    return found


class TraceFile:
    """records: dicts in the order in which they stand; places and clients by number; lost; triggers; breaks: offsets."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.records, self.places, self.clients, self.breaks, self.triggers = [], {}, {}, [], []
        self.lost, self.ended = 0, False
        self.segments = sorted(self._segments(), key=lambda one: one["sequence"])
        for segment in self.segments:
            self._read(segment)

    def _segments(self):
        found, at = [], 0
        while at < len(self.data):
            segment = self._header(at)
            found += [segment] if segment else []
            at += segment["bytes"] if segment else 4096
        return found

    def _header(self, at):
        raw = self.data[at:at + HEADER.size]
        if len(raw) < HEADER.size:
            return None
        magic, version, header, position, size, sequence, run, real, mono, index, its_check = HEADER.unpack(raw)
        if magic != b"ashtrace" or position != at or its_check != check(raw[:-4]):
            return None
        assert version == 1
        return {"at": at, "first": at + header, "bytes": size, "sequence": sequence, "run": run, "index": index,
                "realtime": real - mono}

    def _read(self, segment):
        at, end = segment["first"], min(segment["at"] + segment["bytes"], len(self.data))
        while at + ENTRY.size <= end:
            its_check, size, kind, place, depth = ENTRY.unpack_from(self.data, at)
            if size == 0:
                return
            if size % 8 or at + size > end or check(self.data[at + 4:at + size], segment["sequence"]) != its_check:
                self.breaks.append(at)
                return
            body = self.data[at + ENTRY.size:at + size]
            if kind == 1:
                self._record(segment, place, depth, body)
            elif kind in (6, 7):
                self.ended = kind == 7
                return
            else:
                self._info(kind, place, body)
            at += size

    def _record(self, segment, place, depth, body):
        (ident, connection, offset, length, start, done, sent, flags, result, op, payload, tries,
         marks) = RECORD.unpack_from(body)
        rest = body[RECORD.size:]
        record = {"run": segment["run"], "id": ident, "connection": connection, "place": self.places[place]["tag"],
                  "export": self.places[place]["export"], "op": OPS[op], "offset": offset, "length": length,
                  "flags": [name for bit, name in enumerate(FLAGS) if flags >> bit & 1], "start": start, "done": done,
                  "sent": sent or None, "result": result, "depth": depth, "tries": tries, "marks": marks}
        if payload == 1:
            blocks = (offset + length - 1) // BLOCK - offset // BLOCK + 1
            record["hashes"] = list(struct.unpack_from(f"<{blocks}Q", rest))
        if payload == 2:
            record["data"] = rest[:length]
        self.records.append(record)

    def _info(self, kind, place, body):
        connection, _ = INFO.unpack_from(body)
        texts = dict(text.split("=", 1) for text in body[INFO.size:].decode().split("\0") if "=" in text)
        if kind == 2:
            self.places[place] = texts
        elif kind == 3:
            self.clients[connection] = texts
        elif kind == 5:
            self.lost += int(texts.get("requests", 0))
        elif kind == 8:
            self.triggers.append(texts)
