"""A client that speaks raw NBD, byte by byte, so that it can also speak it wrongly. Names are those of the protocol text."""

import socket
import ssl
import struct

from . import tls

NBDMAGIC = 0x4E42444D41474943
IHAVEOPT = 0x49484156454F5054
REP_MAGIC = 0x3E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_REPLY_MAGIC = 0x67446698
STRUCTURED_REPLY_MAGIC = 0x668E33EF

FLAG_C_FIXED_NEWSTYLE, FLAG_C_NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_STARTTLS, OPT_INFO, OPT_GO = 1, 2, 3, 5, 6, 7
OPT_STRUCTURED_REPLY, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT = 8, 9, 10
REP_ACK, REP_SERVER, REP_INFO, REP_META_CONTEXT = 1, 2, 3, 4
REP_ERR_UNSUP, REP_ERR_POLICY, REP_ERR_INVALID = 0x80000001, 0x80000002, 0x80000003
REP_ERR_TLS_REQD, REP_ERR_UNKNOWN, REP_ERR_TOO_BIG = 0x80000005, 0x80000006, 0x80000009
REP_ERR_SHUTDOWN = 0x80000007
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_CACHE, CMD_WRITE_ZEROES, CMD_BLOCK_STATUS = range(8)
CMD_FLAG_FUA, CMD_FLAG_NO_HOLE, CMD_FLAG_DF, CMD_FLAG_REQ_ONE, CMD_FLAG_FAST_ZERO = 1, 2, 4, 8, 16
EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN = 1, 5, 12, 22, 28, 75, 95, 108

COOKIE = 0x0123456789ABCDEF


class Closed(Exception):
    """The server has closed the connection."""


class Client:
    """A raw connection to the server's first address of that kind, "unix" or "tcp"; waits at most `patience` seconds for each
    answer. "tls": by unix, and greet() secures it with a client's certificate. `window`: bytes of the socket's receive buffer, set
    before it connects. `source`: an address of this machine to come from, and over IPv6 to go to, when the server listens at all
    of them."""

    def __init__(self, server, patience=60, kind="unix", window=None, source=None):
        family = socket.AF_UNIX if kind != "tcp" else socket.AF_INET6 if source and ":" in source else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(patience)
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        if source is not None:
            self.socket.bind((source, 0))
            self.socket.connect((source if ":" in source else "127.0.0.1", server.endpoint(kind)[1]))
        else:
            self.socket.connect(server.endpoint(kind))
        self.ahead = b""  # received, but only looked at
        self.kind = kind

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes so that over tcp the server gets RST instead of FIN, and all that is still on its way is thrown away."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as gone:
            raise Closed from gone

    def receive(self, length):
        data, self.ahead = bytearray(self.ahead[:length]), self.ahead[length:]
        while len(data) < length:
            try:
                part = self.socket.recv(min(length - len(data), 1 << 20))
            except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as gone:
                raise Closed from gone
            if not part:
                raise Closed
            data += part
        return bytes(data)

    def peek(self, length):
        """What receive() will give next."""
        data = self.receive(length)
        self.ahead = data + self.ahead
        return data

    def is_closed(self):
        """Waits until the server closes; what it still sends until then is thrown away. False: it did not."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except (ConnectionResetError, ssl.SSLError):
            pass
        except TimeoutError:
            return False
        return True

    # ---- Handshake ----

    def greet(self, flags=FLAG_C_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES):
        magic, option_magic, server_flags = struct.unpack(">QQH", self.receive(18))
        assert (magic, option_magic) == (NBDMAGIC, IHAVEOPT), "not a newstyle NBD server"
        self.send(struct.pack(">I", flags))
        if self.kind == "tls" and flags & FLAG_C_FIXED_NEWSTYLE and flags < 4:
            self.secure(tls.context(tls.client_folder()))
        return server_flags

    def secure(self, context):
        """Has the connection upgraded to TLS."""
        assert self.option(OPT_STARTTLS) == [(REP_ACK, b"")]
        self.speak_tls(context)

    def speak_tls(self, context):
        """The client's side of TLS, from here on."""
        try:
            self.socket = context.wrap_socket(self.socket)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as gone:
            raise Closed from gone

    def option_head(self, option, length, magic=IHAVEOPT):
        self.send(struct.pack(">QII", magic, option, length))

    def option(self, option, data=b""):
        """Sends an option; returns [(reply type, payload), …] up to the final one."""
        self.send(struct.pack(">QII", IHAVEOPT, option, len(data)) + data)
        replies = []
        while True:
            replies.append(self.option_reply(option))
            if replies[-1][0] == REP_ACK or replies[-1][0] & 0x80000000:
                return replies

    def option_reply(self, option):
        magic, to, kind, length = struct.unpack(">QIII", self.receive(20))
        assert (magic, to) == (REP_MAGIC, option), f"a reply to option {to} with magic {magic:#x}"
        return kind, self.receive(length)

    def go(self, name="", structured=False):
        """Greets and enters transmission."""
        self.greet()
        return self.enter(name, structured)

    def enter(self, name="", structured=False):
        """Enters transmission."""
        if structured:
            assert self.option(OPT_STRUCTURED_REPLY)[-1][0] == REP_ACK
        replies = self.option(OPT_GO, go_data(name))
        assert replies[-1][0] == REP_ACK, f"GO was answered with {replies[-1]}"
        for kind, data in replies:
            if kind == REP_INFO and data[:2] == b"\0\0":
                self.size, self.transmission_flags = struct.unpack(">QH", data[2:])
        return self

    # ---- Transmission ----

    def request(self, command, offset=0, length=0, flags=0, cookie=COOKIE, data=b"", magic=REQUEST_MAGIC):
        self.send(request(command, offset, length, flags, cookie, magic) + data)

    def simple_reply(self, data_length=0, cookie=COOKIE):
        """Returns (error, data); data only when there is no error."""
        magic, error, to = struct.unpack(">IIQ", self.receive(16))
        assert (magic, to) == (SIMPLE_REPLY_MAGIC, cookie), f"not a simple reply to {cookie:#x}: {magic:#x} {to:#x}"
        return error, self.receive(data_length) if error == 0 else b""

    def ask(self, command, offset=0, length=0, flags=0, data=b""):
        """One request and its simple reply: the error, or for a read the data."""
        self.request(command, offset, length, flags, data=data)
        error, got = self.simple_reply(length if command == CMD_READ else 0)
        return got if command == CMD_READ and error == 0 else error

    def chunks(self, cookie=COOKIE):
        """The chunks of one structured reply: [(type, payload), …]."""
        found = []
        while True:
            magic, flags, kind, to, length = struct.unpack(">IHHQI", self.receive(20))
            assert (magic, to) == (STRUCTURED_REPLY_MAGIC, cookie), f"not a structured reply: {magic:#x} {to:#x}"
            found.append((kind, self.receive(length)))
            if flags & 1:
                return found


def request(command, offset=0, length=0, flags=0, cookie=COOKIE, magic=REQUEST_MAGIC):
    return struct.pack(">IHHQQI", magic, flags, command, cookie, offset, length)


def go_data(name, items=()):
    name = name.encode()
    return struct.pack(f">I{len(name)}sH{len(items)}H", len(name), name, len(items), *items)


def meta_data(name, *queries):
    name = name.encode()
    texts = b"".join(struct.pack(">I", len(query)) + query.encode() for query in queries)
    return struct.pack(f">I{len(name)}sI", len(name), name, len(queries)) + texts
