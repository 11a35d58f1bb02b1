"""One of four tcp connections is cut, first while nothing is under way, then under load: the others carry on, nothing
is lost."""

import pathlib

from tools import MIB, blocks, bytes_at, finish, fio, holds, run, same, start

DATA = blocks(MIB // 2)


def job(path, *words):
    """One job for each processor, and so for each of the kernel's queues."""
    return fio("verify", path, f"--size={4 * MIB}", f"--offset_increment={4 * MIB}", "--numjobs=2", "--bs=16k",
               "--iodepth=8", "--cpus_allowed=0,1", "--cpus_allowed_policy=split", "--group_reporting", *words)


def ports(guest):
    """The client's ports of the connections that are there."""
    lines = run("ss", "-H", "-t", "-n", "state", "established", f"dport = :{guest.port}").splitlines()
    return [line.split()[2].rsplit(":", 1)[1] for line in lines]


def cut_one(guest):
    """As an admin does: both ends see a reset."""
    before = ports(guest)
    run("ss", "-H", "-K", "-t", f"sport = :{before[0]}", f"dport = :{guest.port}")
    guest.wait_until(lambda: len(ports(guest)) == len(before) - 1)


def inside(guest):
    guest.make_image("image", 8 * MIB)
    server = guest.serve("image")
    # What is lost with a connection under load is sent again after the timeout.
    guest.attach("tcp", "image", guest.device, "-C", 4, "-timeout", 10)
    holds(len(ports(guest)) == 4, f"there are {len(ports(guest))} connections, not 4")
    cut_one(guest)
    pathlib.Path("data").write_bytes(DATA)
    run("dd", "if=data", f"of={guest.device}", "bs=64K", "conv=fsync")
    guest.forget_cached()
    same(bytes_at(guest.device, 0, len(DATA)), DATA, "the device")

    before = guest.logged(" write ")
    load = guest.beside(start(*job(guest.device, "--loops=2")))
    guest.wait_until(lambda: guest.logged(" write ") > before + 50)
    cut_one(guest)
    holds(load.poll() is None, "fio was done before the connection was cut")
    finish(load)
    guest.detach(guest.device)
    server.stop()


def outside(left):
    run(*job("image", "--verify_only"))
