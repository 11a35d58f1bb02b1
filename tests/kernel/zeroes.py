"""Ranges that are made zero in a disk full of data, for checks of the different ways to do so."""

import pathlib

from tools import MIB, blocks, run, same

SIZE = 8 * MIB
KIB = 1024
# Offset and length: at the start, in the middle, of a single block, at the end.
RANGES = ((0, 512 * KIB), (3000 * KIB, 2000 * KIB), (6004 * KIB, 4 * KIB), (7680 * KIB, 512 * KIB))
ZEROED = sum(length for _, length in RANGES)


def expected():
    content = bytearray(blocks(SIZE))
    for offset, length in RANGES:
        content[offset:offset + length] = bytes(length)
    return bytes(content)


def image_is_as_expected():
    same(pathlib.Path("image").read_bytes(), expected(), "the image")


def make_ranges_zero(guest, *words):
    """With blkdiscard and these words. Returns the server, which is still there."""
    pathlib.Path("image").write_bytes(blocks(SIZE))
    server = guest.serve("image")
    guest.attach("unix", "image", guest.device, "-C", 2)
    device = pathlib.Path(guest.device)
    # Now the kernel has the data cached, which must not be read any more later.
    same(device.read_bytes(), blocks(SIZE), "the device at first")
    for offset, length in RANGES:
        run("blkdiscard", *words, "--offset", offset, "--length", length, guest.device)
    same(device.read_bytes(), expected(), "the device")
    guest.forget_cached()
    same(device.read_bytes(), expected(), "the device, read from the server again,")
    guest.detach(guest.device)
    image_is_as_expected()
    return server
