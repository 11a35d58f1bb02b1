#!/usr/bin/env python3
"""Connects a device of the kernel's client through netlink (linux/nbd-netlink.h), with what nbd-client cannot ask for.

    nbd_netlink.py connect DEVICE SOCKET EXPORT CONNECTIONS TIMEOUT DEAD_TIMEOUT
    nbd_netlink.py reconnect DEVICE SOCKET EXPORT CONNECTIONS

`connect`: when all connections are lost, requests wait for others for DEAD_TIMEOUT seconds; a request that is not answered within
TIMEOUT seconds is sent again on another connection. `reconnect` gives the device new connections in place of the lost ones."""

import os
import pathlib
import re
import socket
import struct
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import wire  # noqa: E402

NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 1, 4, 2
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 0x10, 3, 1, 2
NBD_CMD_CONNECT, NBD_CMD_RECONFIGURE = 1, 3
NBD_ATTR_INDEX, NBD_ATTR_SIZE_BYTES, NBD_ATTR_BLOCK_SIZE_BYTES, NBD_ATTR_TIMEOUT, NBD_ATTR_SERVER_FLAGS = 1, 2, 3, 4, 5
NBD_ATTR_SOCKETS, NBD_ATTR_DEAD_CONN_TIMEOUT = 7, 8
NBD_SOCK_ITEM, NBD_SOCK_FD = 1, 1
NLA_F_NESTED = 0x8000


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attributes(data):
    """{kind: data} of a message's attributes."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[length + -length % 4:]
    return found


class Netlink:
    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.bind((0, 0))

    def ask(self, family, command, data):
        """Sends one command; returns the attributes of the answer, if there is one. Errors are OSError."""
        body = struct.pack("=BBH", command, 1, 0) + data
        self.socket.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
        answer = {}
        while True:
            messages = self.socket.recv(65536)
            while messages:
                length, kind = struct.unpack_from("=IH", messages)
                content, messages = messages[16:length], messages[length + -length % 4:]
                if kind != NLMSG_ERROR:
                    answer = attributes(content[4:])
                    continue
                error, = struct.unpack_from("=i", content)
                if error:
                    raise OSError(-error, os.strerror(-error))
                return answer

    def family(self, name):
        answer = self.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0"))
        return struct.unpack("=H", answer[CTRL_ATTR_FAMILY_ID])[0]


def main(what, device, path, export, connections, timeout="0", dead_timeout="0"):
    clients = [wire.Client(types.SimpleNamespace(socket=path)).go(export) for _ in range(int(connections))]
    # The kernel waits for answers as long as it likes.
    for client in clients:
        client.socket.settimeout(None)

    def number(kind, value):
        return attribute(kind, struct.pack("=Q", int(value)))

    sockets = b"".join(
        attribute(NBD_SOCK_ITEM | NLA_F_NESTED, attribute(NBD_SOCK_FD, struct.pack("=I", client.socket.fileno()))) for client in clients)
    data = attribute(NBD_ATTR_INDEX, struct.pack("=I", int(re.fullmatch(r"/dev/nbd(\d+)", device)[1])))
    if what == "connect":
        data += number(NBD_ATTR_SIZE_BYTES, clients[0].size) + number(NBD_ATTR_BLOCK_SIZE_BYTES, 4096)
        data += number(NBD_ATTR_SERVER_FLAGS, clients[0].transmission_flags)
        data += number(NBD_ATTR_TIMEOUT, timeout) + number(NBD_ATTR_DEAD_CONN_TIMEOUT, dead_timeout)
    data += attribute(NBD_ATTR_SOCKETS | NLA_F_NESTED, sockets)
    netlink = Netlink()
    netlink.ask(netlink.family("nbd"), NBD_CMD_CONNECT if what == "connect" else NBD_CMD_RECONFIGURE, data)


if __name__ == "__main__":
    if len(sys.argv) not in (6, 8) or sys.argv[1] not in ("connect", "reconnect"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
