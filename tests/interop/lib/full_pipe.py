"""A pipe that nobody reads, for programs that print to it."""

import fcntl
import os
import pathlib
import time

PAGE = 4096


def make():
    """A pipe of one page that is full: (what reads it, what writes to it)."""
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, PAGE)
    os.write(writes, bytes(PAGE))
    return reads, writes


def wait_until_it_waits(process):
    """Until all of its threads sleep, and it has no children: as one that prints to a full pipe. One that is only slow may be taken
    for it; only a hang takes a minute."""
    end = time.monotonic() + 60
    asleep = 0
    while asleep < 5:
        tasks = list(pathlib.Path(f"/proc/{process.pid}/task").iterdir())
        sleeps = all((task / "stat").read_text().rpartition(")")[2].split()[0] == "S" for task in tasks)
        children = any((task / "children").read_text() for task in tasks)
        asleep = asleep + 1 if sleeps and not children else 0
        time.sleep(0.02)
        if time.monotonic() > end:
            raise AssertionError("it does not come to wait")
