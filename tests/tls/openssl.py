"""What Python's ssl cannot do, by the same libssl: new keys in TLS 1.3, renegotiation in TLS 1.2."""

import ctypes
import ctypes.util
import select
import socket
import struct
import time

from frame import tls, wire

TLS1_2_VERSION, TLS1_3_VERSION = 0x0303, 0x0304
SET_MIN_PROTO_VERSION, SET_MAX_PROTO_VERSION = 123, 124  # openssl/ssl.h, SSL_CTRL_…
UPDATE_REQUESTED = 1
SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE = 1, 2, 3
PATIENCE = 60  # seconds; only a failure takes so long

_library = ctypes.CDLL(ctypes.util.find_library("ssl"))
for _name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(_library, _name).restype = ctypes.c_void_p


class Speaker:
    """Upgrades `client`, a wire.Client that has greeted, and takes the place of its socket."""

    def __init__(self, client, version):
        assert client.option(wire.OPT_STARTTLS) == [(wire.REP_ACK, b"")]
        self.plain = client.socket
        self.plain.setblocking(True)
        for what in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.plain.setsockopt(socket.SOL_SOCKET, what, struct.pack("@ll", PATIENCE, 0))
        self.context = ctypes.c_void_p(_library.SSL_CTX_new(ctypes.c_void_p(_library.TLS_client_method())))
        for what in (SET_MIN_PROTO_VERSION, SET_MAX_PROTO_VERSION):
            _library.SSL_CTX_ctrl(self.context, what, ctypes.c_long(version), None)
        folder = tls.client_folder()
        assert _library.SSL_CTX_use_certificate_file(self.context, bytes(folder / "client-cert.pem"), 1) == 1
        assert _library.SSL_CTX_use_PrivateKey_file(self.context, bytes(folder / "client-key.pem"), 1) == 1
        self.ssl = ctypes.c_void_p(_library.SSL_new(self.context))
        assert _library.SSL_set_fd(self.ssl, self.plain.fileno()) == 1
        assert _library.SSL_connect(self.ssl) == 1
        client.socket = self

    def close(self):
        if self.ssl:
            _library.SSL_free(self.ssl)
            _library.SSL_CTX_free(self.context)
            self.ssl = None
        self.plain.close()

    def sendall(self, data):
        if _library.SSL_write(self.ssl, data, len(data)) != len(data):
            raise wire.Closed

    def recv(self, most):
        into = ctypes.create_string_buffer(most)
        count = _library.SSL_read(self.ssl, into, most)
        return into.raw[:max(0, count)]

    def update_keys(self):
        """Asks for the server's new ones, too. False: it could not be sent."""
        return _library.SSL_key_update(self.ssl, UPDATE_REQUESTED) == 1 and _library.SSL_do_handshake(self.ssl) == 1

    def updates_keys_until_the_end(self):
        """Asks for new keys, and takes them, again and again. False: there is no end."""
        self.plain.setblocking(False)
        into = ctypes.create_string_buffer(1)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            is_sent = self.update_keys()
            result = _library.SSL_read(self.ssl, into, 1)
            # Who still sends when the stream ends may be told by the system alone.
            if _library.SSL_get_error(self.ssl, result) not in (SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE):
                return True
            if not is_sent:
                select.select([self.plain], [self.plain], [], 1)
        return False

    def has_answer(self):
        """Whether the server says something, be it of TLS."""
        return bool(select.select([self.plain], [], [], PATIENCE)[0])

    def is_refused_new_handshake(self):
        """Whether the server answers that it does not want one, rather than nothing."""
        assert _library.SSL_renegotiate(self.ssl) == 1
        return _library.SSL_get_error(self.ssl, _library.SSL_do_handshake(self.ssl)) == SSL_ERROR_SSL
