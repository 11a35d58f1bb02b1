"""A file system in use, below a layer that loses each third flush: the trace below that layer shows where a power cut would
have taken what was promised to be there. The same file system over a disk that keeps its word is good at each point.

Files are written and synced; then their number is written over a block that ext4 has given a file already, which the kernel
makes durable by FUA alone. So the number is never ahead of the files, unless a flush was lost."""

import ctypes
import os
import pathlib
import random
import subprocess
import sys

from tools import BLOCK, MIB, holds, run

from lib import config
from lib.server import PROGRAM, Server

FILES = 6
EXPORTS = {"honest": [], "lying": [{"type": "fault", "rules": ["flush lie every=3"]}]}
CHECK = """
import os, random, subprocess, sys
image = os.environ["image"]
if subprocess.run(["e2fsck", "-p", image]).returncode > 1:
    sys.exit(4)
def cat(name):
    return subprocess.run(["debugfs", "-R", f"cat /{name}", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
for number in range(1, int(cat("count")) + 1):
    if cat(f"file{number}") != random.Random(number).randbytes(20000):
        sys.exit(f"file {number} is not there")
"""


def use(folder):
    """What an application does that wants its files to survive."""
    memory = bytearray(2 * BLOCK)
    count = os.open(folder / "count", os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
    for number in range(1, FILES + 1):
        file = os.open(folder / f"file{number}", os.O_WRONLY | os.O_CREAT)
        os.write(file, random.Random(number).randbytes(20000))
        os.fsync(file)
        os.close(file)
        aligned_write(count, b"%-4096d" % number, memory)
    os.close(count)


def aligned_write(fd, block, memory):
    """As direct I/O wants its memory."""
    start = -ctypes.addressof(ctypes.c_char.from_buffer(memory)) % BLOCK
    view = memoryview(memory)[start:start + BLOCK]
    view[:] = block
    os.pwrite(fd, view, 0)


def inside(guest):
    pathlib.Path("content").mkdir()
    pathlib.Path("content/count").write_bytes(b"%-4096d" % 0)
    guest.make_image("base", 16 * MIB)
    run("mkfs.ext4", "-q", "-b", BLOCK, "-d", "content", "base")
    exports = []
    for name, layers in EXPORTS.items():
        run("cp", "base", f"{name}.image")
        trace = {"type": "trace", "path": f"{name}.trace", "payload": "data", "max_size": 0}
        exports.append(config.file_export(guest.folder / f"{name}.image", name, filters=[*layers, trace]))
    file = guest.folder / "server.toml"
    file.write_text(config.toml(exports, listen=[f"unix:{guest.socket}"]))
    server = Server([file], guest.folder / "server-0.log", 1)
    guest.servers.append(server)
    for name in EXPORTS:
        guest.attach("unix", name, guest.device)
        with guest.mounted(guest.device) as folder:
            use(folder)
        guest.detach(guest.device)
    server.stop()


def outside(left):
    pathlib.Path("check.py").write_text(CHECK)
    for name in EXPORTS:
        done = subprocess.run([PROGRAM, "trace", "crash", f"{name}.trace", "--image", "base", "--check",
                               f"{sys.executable} check.py", "--scratch", "."], capture_output=True, text=True)
        print(done.stdout, done.stderr)
        holds(done.returncode == (1 if name == "lying" else 0), f"{name}: exit code {done.returncode}")
        if name == "lying":
            holds(" is not there\n" in done.stdout, "it is bad for another reason")
