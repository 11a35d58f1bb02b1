"""A write that has to be on the disk when it is acknowledged comes as a request with FUA: one with O_DSYNC, and the
commit of a journal."""

import os

from tools import MIB, blocks, holds, run, same
from writer import Writer, check_acknowledged

DATA = blocks(MIB // 4)
BLOCKS = 64


def inside(guest):
    guest.make_image("image", 32 * MIB)
    server = guest.serve("image")
    guest.attach("unix", "image", guest.device, "-C", 2)

    def fua_writes():
        return guest.logged(" write .*flags=fua.*result=ok")

    Writer(guest.device, range(BLOCKS), "fua", "acknowledged").join()
    # A line is in the log a moment after its reply has left.
    guest.wait_until(lambda: fua_writes() >= BLOCKS)
    holds(fua_writes() == BLOCKS, f"{BLOCKS} writes with O_DSYNC came as {fua_writes()} writes with FUA")
    check_acknowledged("image", "acknowledged", BLOCKS)

    run("mkfs.ext4", "-q", guest.device)
    with guest.mounted(guest.device) as folder:
        before = fua_writes()
        with open(folder / "data", "wb") as file:
            file.write(DATA)
            file.flush()
            os.fsync(file.fileno())
        guest.wait_until(lambda: fua_writes() > before)  # the commit of the journal
    guest.detach(guest.device)
    server.stop()


def outside(left):
    run("e2fsck", "-f", "-n", "image")
    same((left.from_ext4("image", "/data") / "data").read_bytes(), DATA, "the file")
