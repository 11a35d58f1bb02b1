"""Ports of tcp for programs that are told theirs and cannot be asked for it."""

import random
import socket


def free():
    """One that is free on loopback now. Not of those that the kernel gives to clients: thousands of them may come before it is used."""
    for _ in range(1000):
        port = random.randrange(10000, 30000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    raise OSError("no port is free")
