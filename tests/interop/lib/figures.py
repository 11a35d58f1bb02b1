"""What a server tells at its `metrics`."""

import re
import socket

PATIENCE = 60  # seconds; only a failure takes so long


def module_total(path, name, export=None):
    """Of a counter that one layer has, of all exports or of that one; `path`: of the socket."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(str(path))
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
    of = f'export="{export}"[^}}]*' if export is not None else ""
    found = re.findall(rf"^ashlar_module_{name}_total{{[^}}]*{of}}} (\d+)$", text, re.MULTILINE)
    if len(found) != 1:
        raise AssertionError(f"{name} is not there once:\n{text}")
    return int(found[0])
