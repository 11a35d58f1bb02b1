"""blkdiscard -z: what was zeroed reads as zeroes, all else is as it was. Old kernels' client writes the zeroes
itself."""

from zeroes import image_is_as_expected, make_ranges_zero


def inside(guest):
    make_ranges_zero(guest, "--zeroout").stop()


def outside(left):
    image_is_as_expected()
