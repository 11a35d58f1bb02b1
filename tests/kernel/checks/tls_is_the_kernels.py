"""By TLS over tcp the server's kernel encrypts: files are sent as without TLS. Clients are the kernel's, through nbd-client's
own TLS, and nbdcopy."""

import os
import pathlib

from sizes import mark, write_mark
from tools import MIB, bytes_at, holds, run, same

SIZE = 4 * MIB
MARK = SIZE - MIB


def kernel_count(name):
    """Of /proc/net/tls_stat."""
    for line in pathlib.Path("/proc/net/tls_stat").read_text().splitlines():
        if line.split()[0] == name:
            return int(line.split()[1])
    raise AssertionError(f"/proc/net/tls_stat has no {name}")


def inside(guest):
    pki = guest.folder / "pki"
    run(os.environ["ASHLAR"], "certs", pki, "--server", "localhost", "--client", "a")
    client = pki / "clients" / "a"
    content = os.urandom(SIZE)
    pathlib.Path("image").write_bytes(content)
    pathlib.Path("wanted").write_bytes(content)
    server = guest.serve("image", tls={"mode": "require", "certificates": pki / "server"})

    before = kernel_count("TlsTxSw")
    run("nbdcopy", f"nbds://localhost:{guest.port}/image?tls-certificates={client}", "copy")
    same(pathlib.Path("copy").read_bytes(), content, "the copy")
    holds(kernel_count("TlsTxSw") > before, "the kernel has not encrypted")

    guest.attach("tcp", "image", guest.device, "-enable-tls", "-certfile", client / "client-cert.pem", "-keyfile",
                 client / "client-key.pem", "-cacertfile", client / "ca-cert.pem", "-tlshostname", "localhost")
    same(bytes_at(guest.device, MIB, 2 * MIB), content[MIB:3 * MIB], "the device")
    write_mark(guest.device, MARK)
    guest.forget_cached()
    guest.detach(guest.device)
    server.stop()
    os.unlink("copy")


def outside(left):
    wanted = bytearray(pathlib.Path("wanted").read_bytes())
    wanted[MARK:] = mark(MARK)
    same(pathlib.Path("image").read_bytes(), bytes(wanted), "the image")
