"""Contents of disk images, the same at each run."""

import hashlib
import random

MIB = 1 << 20


def pattern(length, seed=0):
    return random.Random(seed).randbytes(length)


# Data on and off the block boundaries, with holes of many blocks between, at the start and at the end.
SPARSE_PARTS = ((1 * MIB, 3 * MIB), (10 * MIB + 512, 64 * 1024), (20 * MIB + 4096, 1 * MIB), (47 * MIB, 1 * MIB))
SPARSE_SIZE = 64 * MIB


def write_sparse(path):
    """A 64 MiB image of which about 5 MiB are data."""
    with open(path, "wb") as file:
        file.truncate(SPARSE_SIZE)
        for number, (offset, length) in enumerate(SPARSE_PARTS):
            file.seek(offset)
            file.write(pattern(length, number))
    return path


def fill(path, size, byte):
    with open(path, "r+b") as file:
        for _ in range(size // MIB):
            file.write(bytes([byte]) * MIB)


def checksum(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(MIB):
            digest.update(part)
    return digest.hexdigest()
