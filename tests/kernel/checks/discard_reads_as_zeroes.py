"""blkdiscard: what was discarded reads as zeroes and is freed, all else is as it was."""

from tools import holds
from zeroes import RANGES, SIZE, ZEROED, image_is_as_expected, make_ranges_zero

OWN_BLOCKS = 64 << 10  # of the file system below, for an image in pieces


def is_freed(where):
    now = where.allocated("image")
    holds(now <= SIZE - ZEROED + OWN_BLOCKS, f"{now} of {SIZE} bytes are allocated")


def inside(guest):
    server = make_ranges_zero(guest)
    guest.wait_until(lambda: guest.logged(" trim .*result=ok") >= len(RANGES))
    server.stop()
    is_freed(guest)


def outside(left):
    image_is_as_expected()
    is_freed(left)
