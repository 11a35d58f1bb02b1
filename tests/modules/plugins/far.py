"""An NBD server for the tests of the plugin nbd: a disk in memory, which does as it is told to do wrong."""

import pathlib
import select
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "interop"))

from lib import wire  # noqa: E402

FLAGS = {"has": 1, "read_only": 2, "flush": 4, "fua": 8, "rotational": 16, "trim": 32, "zero": 64, "multi_conn": 256, "cache": 1024}
USUAL = ("flush", "fua", "trim", "zero")
DATA, HOLE, ERROR, DONE = 1, 2, 0x8001, 1  # of structured replies


class Gone(Exception):
    pass


class Far:
    """Listens at a unix socket until end(). `way` is what to do with reads and writes: "well", or the name of a method below.
    `blocks`: minimum, preferred and maximum block size, told if asked for. `greets`: when it says its first word; the
    first so many as `greeted` hear it at once."""

    def __init__(self, path, size=1 << 20, flags=USUAL, blocks=None, structured=True, way="well", export=b"", greets=None, greeted=0):
        self.path, self.size, self.flags, self.blocks, self.structured, self.way = str(path), size, flags, blocks, structured, way
        self.disk, self.export, self.error = bytearray(size), export, wire.EIO
        self.greets, self.greeted, self.open_now = greets, greeted, 0
        self.asked, self.connected, self.clients = [], 0, []
        self.takers = []  # for each that was asked for: the socket over which it came
        self.arrived = threading.Semaphore(0)  # one for each request that is left without an answer
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self):
        """As one that has been killed: nothing comes any more."""
        if self.listener.fileno() >= 0:
            pathlib.Path(self.path).unlink(missing_ok=True)
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.cut()

    def cut(self, which=slice(None)):
        """All connections, or those of them in the order in which they came."""
        with self.lock:
            clients = self.clients[which]
            del self.clients[which]
        for client in clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.clients.append(client)
                self.connected += 1
                self.open_now += 1
                waits = self.greets is not None and self.connected > self.greeted
            threading.Thread(target=self._serve, args=(client, waits), daemon=True).start()

    def _serve(self, client, waits):
        try:
            with client:
                if waits:
                    self._keep_silent(client)
                if self.way == "garbage":
                    client.sendall(b"this is no NBD server, whatever you ask of it\n" * 4)
                elif self.way != "silent":
                    structured = self._shake_hands(client)
                    while True:
                        self._answer(client, structured)
                else:
                    self._take(client, 1 << 20)
        except (Gone, OSError):
            pass
        finally:
            with self.lock:
                self.open_now -= 1

    def _keep_silent(self, client):
        """A client says nothing before it has been greeted: what can be read is its end."""
        while not self.greets.wait(0.02):
            if select.select([client], [], [], 0)[0]:
                raise Gone

    @staticmethod
    def _take(client, length):
        data = b""
        while len(data) < length:
            part = client.recv(length - len(data))
            if not part:
                raise Gone
            data += part
        return data

    def _bits(self):
        return sum(FLAGS[name] for name in ("has", *self.flags))

    def _shake_hands(self, client):
        client.sendall(struct.pack(">QQH", wire.NBDMAGIC, wire.IHAVEOPT, 3))
        self._take(client, 4)
        structured = False

        def reply(option, kind, data=b""):
            client.sendall(struct.pack(">QIII", wire.REP_MAGIC, option, kind, len(data)) + data)

        while True:
            _, option, length = struct.unpack(">QII", self._take(client, 16))
            data = self._take(client, length)
            if option == wire.OPT_GO:
                name = data[4:4 + struct.unpack(">I", data[:4])[0]]
                if name != self.export:
                    reply(option, wire.REP_ERR_UNKNOWN, b"no such export")
                    continue
                reply(option, wire.REP_INFO, struct.pack(">HQH", 0, self.size, self._bits()))
                if self.blocks:
                    reply(option, wire.REP_INFO, struct.pack(">HIII", 3, *self.blocks))
                reply(option, wire.REP_ACK)
                return structured
            if option == wire.OPT_STRUCTURED_REPLY and self.structured:
                structured = True
                reply(option, wire.REP_ACK)
            else:
                reply(option, wire.REP_ERR_UNSUP)

    def _answer(self, client, structured):
        _, flags, command, cookie, offset, length = struct.unpack(">IHHQQI", self._take(client, 28))
        data = self._take(client, length) if command == wire.CMD_WRITE else b""
        if command == wire.CMD_DISC:
            raise Gone
        with self.lock:
            self.asked.append((command, flags, offset, length))
            self.takers.append(client)
        way = getattr(self, self.way)
        if command == wire.CMD_READ:
            way(client, structured, cookie, offset, length)
            return
        if self.way == "hangs":
            self.arrived.release()
            return
        if command == wire.CMD_WRITE:
            self.disk[offset:offset + length] = data
        elif command in (wire.CMD_TRIM, wire.CMD_WRITE_ZEROES):
            self.disk[offset:offset + length] = bytes(length)
        if self.way == "loses_replies":  # it has done it, and nobody knows
            self.way = "well"
            raise Gone
        refused = command == wire.CMD_FLUSH and self.way == "does_not_flush"
        self.simple(client, cookie, wire.EIO if refused else wire.ESHUTDOWN if self.way == "stops" else 0)

    @staticmethod
    def simple(client, cookie, error=0, data=b""):
        client.sendall(struct.pack(">IIQ", wire.SIMPLE_REPLY_MAGIC, error, cookie) + data)

    def chunk(self, client, cookie, offset, length, kind=DATA, flags=0, told=None):
        body = struct.pack(">Q", offset) + (bytes(self.disk[offset:offset + length]) if kind == DATA else struct.pack(">I", length))
        client.sendall(struct.pack(">IHHQI", wire.STRUCTURED_REPLY_MAGIC, flags, kind, cookie, told or len(body)) + body)

    def none(self, client, cookie):
        client.sendall(struct.pack(">IHHQI", wire.STRUCTURED_REPLY_MAGIC, DONE, 0, cookie, 0))

    # Ways to answer a read.

    def well(self, client, structured, cookie, offset, length):
        if structured:
            self.chunk(client, cookie, offset, length, flags=DONE)
        else:
            self.simple(client, cookie, 0, bytes(self.disk[offset:offset + length]))

    def backwards(self, client, _structured, cookie, offset, length):
        half = length // 2
        self.chunk(client, cookie, offset + half, length - half)
        self.chunk(client, cookie, offset, half, flags=DONE)

    def leaves_out(self, client, _structured, cookie, offset, length):
        self.chunk(client, cookie, offset, length // 2, flags=DONE)

    def leaves_out_all(self, client, _structured, cookie, _offset, _length):
        self.none(client, cookie)

    def repeats_half(self, client, _structured, cookie, offset, length):
        self.chunk(client, cookie, offset, length // 2)
        self.chunk(client, cookie, offset, length // 2, flags=DONE)

    def cuts(self, client, structured, cookie, offset, length):
        """In the middle of a reply, once."""
        self.way = "well"
        body = struct.pack(">Q", offset) + bytes(self.disk[offset:offset + length])
        client.sendall(struct.pack(">IHHQI", wire.STRUCTURED_REPLY_MAGIC, DONE, DATA, cookie, len(body)) + body[:len(body) // 2])
        raise Gone

    def raves(self, client, _structured, _cookie, _offset, _length):
        self.way = "well"
        client.sendall(b"x" * 64)

    def answers_another(self, client, _structured, cookie, _offset, _length):
        self.way = "well"
        self.simple(client, cookie + 1000)

    def fails(self, client, _structured, cookie, _offset, _length):
        client.sendall(struct.pack(">IHHQI", wire.STRUCTURED_REPLY_MAGIC, DONE, ERROR, cookie, 6) + struct.pack(">IH", self.error, 0))

    def hangs(self, _client, _structured, _cookie, _offset, _length):
        self.arrived.release()

    def stops(self, client, structured, cookie, offset, length):
        """As a server that is about to end."""
        self.error = wire.ESHUTDOWN
        self.fails(client, structured, cookie, offset, length)

    def loses_replies(self, client, structured, cookie, offset, length):
        self.well(client, structured, cookie, offset, length)

    def does_not_flush(self, client, structured, cookie, offset, length):
        self.well(client, structured, cookie, offset, length)
