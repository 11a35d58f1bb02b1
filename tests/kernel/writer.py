"""Writing blocks that are to be on the disk at once, with a list of those that were acknowledged."""

import errno
import mmap
import os
import pathlib
import threading

from tools import BLOCK, block, bytes_at, holds


class Writer(threading.Thread):
    """Writes these blocks to a device or file, one after another, until one fails. `how`: "fua", with O_DIRECT and
    O_DSYNC, so that each write is asked to be on the disk when it is acknowledged; "flush", with fdatasync(2) after
    each. The numbers of acknowledged blocks go to a file, a line each; `count` is how many, `error` the name of the
    errno that ended it."""

    def __init__(self, path, numbers, how, acknowledged):
        super().__init__(daemon=True)
        self.path, self.numbers, self.how, self.acknowledged = path, numbers, how, acknowledged
        self.count, self.error = 0, None
        self.start()

    def run(self):
        memory = mmap.mmap(-1, BLOCK)  # O_DIRECT wants whole pages
        disk = os.open(self.path, os.O_WRONLY | (os.O_DIRECT | os.O_DSYNC if self.how == "fua" else 0))
        with open(self.acknowledged, "a") as told:
            for number in self.numbers:
                memory[:] = block(number)
                try:
                    os.pwrite(disk, memory, number * BLOCK)
                    if self.how == "flush":
                        os.fdatasync(disk)
                except OSError as error:
                    self.error = errno.errorcode[error.errno]
                    break
                print(number, file=told, flush=True)
                self.count += 1
        os.close(disk)


def check_acknowledged(image, acknowledged, least):
    """Every acknowledged block is in the image, and there were some."""
    # The last line may be half a line, if the machine ended meanwhile.
    lines = pathlib.Path(acknowledged).read_text().splitlines(keepends=True)
    numbers = [int(line) for line in lines if line.endswith("\n")]
    holds(len(numbers) >= least, f"{acknowledged}: {len(numbers)} blocks were acknowledged, fewer than {least}")
    lost = [number for number in numbers if bytes_at(image, number * BLOCK, BLOCK) != block(number)]
    holds(not lost, f"{image}: of {len(numbers)} acknowledged blocks {len(lost)} are not there: {lost[:10]}")
