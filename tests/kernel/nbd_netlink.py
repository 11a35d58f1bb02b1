"""Connects devices of the kernel's client through netlink (linux/nbd-netlink.h), with what nbd-client cannot ask
for."""

import os
import re
import socket
import struct
import types

import tools  # noqa: F401  (finds lib)
from lib import wire

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


def connections(path, export, count):
    """Clients at a unix socket, ready for requests."""
    return [wire.Client(types.SimpleNamespace(endpoint=lambda _kind: path)).go(export) for _ in range(count)]


def connect(device, clients, timeout, dead_timeout):
    """When all connections are lost, requests wait `dead_timeout` seconds for others; a request that is not answered
    within `timeout` seconds is sent again on another connection."""
    data = _number(NBD_ATTR_SIZE_BYTES, clients[0].size) + _number(NBD_ATTR_BLOCK_SIZE_BYTES, 4096)
    data += _number(NBD_ATTR_SERVER_FLAGS, clients[0].transmission_flags)
    data += _number(NBD_ATTR_TIMEOUT, timeout) + _number(NBD_ATTR_DEAD_CONN_TIMEOUT, dead_timeout)
    _hand_over(NBD_CMD_CONNECT, device, clients, data)


def reconnect(device, clients):
    """Gives the device these connections in place of those that it has lost."""
    _hand_over(NBD_CMD_RECONFIGURE, device, clients, b"")


def _number(kind, value):
    return attribute(kind, struct.pack("=Q", value))


def _hand_over(command, device, clients, data):
    """The kernel keeps the sockets: the clients are closed here."""
    items = b""
    for client in clients:
        client.socket.settimeout(None)  # the kernel waits as long as it likes
        descriptor = attribute(NBD_SOCK_FD, struct.pack("=I", client.socket.fileno()))
        items += attribute(NBD_SOCK_ITEM | NLA_F_NESTED, descriptor)
    index = attribute(NBD_ATTR_INDEX, struct.pack("=I", int(re.fullmatch(r"/dev/nbd(\d+)", device)[1])))
    sockets = attribute(NBD_ATTR_SOCKETS | NLA_F_NESTED, items)
    netlink = Netlink()
    netlink.ask(netlink.family("nbd"), command, index + data + sockets)
    for client in clients:
        client.close()
