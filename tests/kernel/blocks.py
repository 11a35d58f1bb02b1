#!/usr/bin/env python3
"""Blocks that tell where they belong, and a list of those that were acknowledged as being on the disk.

    blocks.py write DEVICE FIRST COUNT fua|flush ACKNOWLEDGED    writes blocks one after another
    blocks.py verify IMAGE ACKNOWLEDGED                          every acknowledged block is in the image

`fua`: with O_DIRECT and O_DSYNC, so that each write is asked to be on the disk when it is acknowledged. `flush`: fdatasync(2) after
each. A block's number is added to ACKNOWLEDGED when that has succeeded. At the first error it says which, and ends with exit code
3."""

import errno
import mmap
import os
import sys

SIZE = 4096


def contents(number):
    return (b"%015d\n" % number) * (SIZE // 16)


def write(device, first, count, how, acknowledged):
    flags = os.O_DIRECT | os.O_DSYNC if how == "fua" else 0
    memory = mmap.mmap(-1, SIZE)  # O_DIRECT wants whole pages
    with open(acknowledged, "a") as told:
        disk = os.open(device, os.O_WRONLY | flags)
        for number in range(int(first), int(first) + int(count)):
            memory[:] = contents(number)
            try:
                os.pwrite(disk, memory, number * SIZE)
                if how == "flush":
                    os.fdatasync(disk)
            except OSError as error:
                print(f"block {number}: {errno.errorcode[error.errno]}")
                sys.exit(3)
            print(number, file=told, flush=True)


def verify(image, acknowledged):
    with open(acknowledged) as told:
        # What was being written when the machine ended may be half a line.
        numbers = [int(line) for line in told.read().splitlines(keepends=True) if line.endswith("\n")]
    with open(image, "rb") as disk:
        for number in numbers:
            disk.seek(number * SIZE)
            if disk.read(SIZE) != contents(number):
                sys.exit(f"{image}: block {number} was acknowledged and is not there; {len(numbers)} blocks were acknowledged")
    print(f"{image}: all {len(numbers)} acknowledged blocks are there")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"] and len(sys.argv) == 7 and sys.argv[5] in ("fua", "flush"):
        write(*sys.argv[2:])
    elif sys.argv[1:2] == ["verify"] and len(sys.argv) == 4:
        verify(*sys.argv[2:])
    else:
        sys.exit(__doc__)
