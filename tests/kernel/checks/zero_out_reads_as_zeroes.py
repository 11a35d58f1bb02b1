"""blkdiscard -z: what was zeroed reads as zeroes, all else is as it was. Kernels before 6.12 write the zeroes themselves."""

from zeroes import image_is_as_expected, make_ranges_zero


def inside(guest):
    make_ranges_zero(guest, "--zeroout").stop()


def outside(left):
    image_is_as_expected()
