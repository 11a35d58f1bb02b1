"""Disks that change their size, for checks of who sees which."""

import os
import pathlib

from tools import BLOCK, MIB, holds, blocks, same


def device_has(guest, device, size):
    holds(guest.size(device) == size, f"{device} has {guest.size(device)} bytes, not {size}")


def mark(place):
    """The MiB that belongs there."""
    return blocks(MIB, place // BLOCK)


def write_mark(device, place):
    disk = os.open(device, os.O_WRONLY)
    os.pwrite(disk, mark(place), place)
    os.fsync(disk)
    os.close(disk)


def image_has(size, *places):
    """The image has that size, what was written at these places, and nothing else."""
    expected = bytearray(size)
    for place in places:
        expected[place:place + MIB] = mark(place)
    same(pathlib.Path("image").read_bytes(), bytes(expected), "the image")
