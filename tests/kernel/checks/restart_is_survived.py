"""The server stops and another is started; then that is killed while fio writes, and another is started. With a
dead-connection timeout the kernel waits for the new one, sends again what was lost, and nobody sees an error."""

import pathlib

import nbd_netlink
from tools import MIB, blocks, bytes_at, finish, fio, holds, run, same, start

DATA = blocks(MIB // 2)
PLACES = (4 * MIB, 6 * MIB)


def job(path, *words):
    return fio("verify", path, f"--size={4 * MIB}", "--bs=16k", "--iodepth=8", "--fsync=8", *words)


def write_data(device, place):
    return start("dd", "if=data", f"of={device}", f"bs={len(DATA)}", f"seek={place // len(DATA)}", "oflag=direct")


def serve_again(guest):
    server = guest.serve("image")
    nbd_netlink.reconnect(guest.device, nbd_netlink.connections(server.socket, "image", 2))
    return server


def inside(guest):
    guest.make_image("image", 8 * MIB)
    server = guest.serve("image")
    # What was under way when a connection was lost is sent again after 10 seconds.
    nbd_netlink.connect(guest.device, nbd_netlink.connections(server.socket, "image", 2), timeout=10, dead_timeout=600)

    pathlib.Path("data").write_bytes(DATA)
    finish(write_data(guest.device, PLACES[0]))
    server.stop()
    waiting = guest.beside(write_data(guest.device, PLACES[1]))
    server = serve_again(guest)
    finish(waiting)

    load = guest.beside(start(*job(guest.device, "--loops=3")))
    guest.wait_until(lambda: guest.logged(" write .*result=ok") > 50)
    guest.kill(server)
    holds(load.poll() is None, "fio was done before the server was killed")
    server = serve_again(guest)
    finish(load)
    guest.detach(guest.device)
    server.stop()


def outside(left):
    run(*job("image", "--verify_only"))
    for place in PLACES:
        same(bytes_at("image", place, len(DATA)), DATA, f"the image at {place}")
