"""The guest ends as by a power cut while blocks are written: each that was acknowledged, after FUA or a flush, is in
the image. Must be the last check.

The kernel is told not to write anything back by itself, so that only what the server has made durable is on the disk.
After a write with O_DSYNC to a device itself the kernel sends a flush, too; after one to a file on ext4 that has its
blocks already, it trusts FUA alone."""

import os
import pathlib

from tools import MIB, run
from writer import Writer, check_acknowledged

HOWS = ("fua", "flush")
LEAST = 100


def inside(guest):
    pathlib.Path("/proc/sys/vm/dirty_writeback_centisecs").write_text("0")
    for how in HOWS:
        pathlib.Path(f"{how}.image").write_bytes(bytes(16 * MIB))
    guest.serve("fua.image", "flush.image")
    guest.attach("unix", "fua.image", guest.device, "-C", 4)
    guest.attach("unix", "flush.image", guest.second_device, "-C", 4)
    run("mkfs.ext4", "-q", guest.device)
    with guest.mounted(guest.device) as folder:
        (folder / "blocks").write_bytes(bytes(8 * MIB))
        os.sync()
        writers = [Writer(folder / "blocks", range(2048), "fua", guest.share / "fua.acknowledged"),
                   Writer(guest.second_device, range(4096), "flush", guest.share / "flush.acknowledged")]
        guest.wait_until(lambda: all(writer.count >= LEAST for writer in writers))
        guest.cut_power()


def outside(left):
    check_acknowledged("flush.image", left.share / "flush.acknowledged", LEAST)
    run("e2fsck", "-p", "fua.image")
    check_acknowledged(left.from_ext4("fua.image", "/blocks") / "blocks", left.share / "fua.acknowledged", LEAST)
