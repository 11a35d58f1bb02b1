"""A relay that asks the server for TLS, so that clients that speak TLS but no NBD meet it."""

import socket
import struct
import threading

from frame import wire


class Relay:
    """Listens at `port` of 127.0.0.1 for one client after the other."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upward = wire.Client(self.server)
            upward.greet()
            assert upward.option(wire.OPT_STARTTLS) == [(wire.REP_ACK, b"")]
            for a, b in ((client, upward.socket), (upward.socket, client)):
                threading.Thread(target=self._pass_on, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass_on(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            to.close()


def list_option():
    return struct.pack(">QII", wire.IHAVEOPT, wire.OPT_LIST, 0)
