"""SIGTERM while writers are busy: the server ends well, the writers get errors and do not hang, what was acknowledged
is there."""

from tools import MIB, fio, holds, start
from writer import Writer, check_acknowledged

HOWS = ("fua", "flush")
LEAST = 50


def load(path):
    return fio("load", path, f"--offset={64 * MIB}", f"--size={16 * MIB}", "--bs=64k", "--iodepth=16",
               "--loops=1000000")


def inside(guest):
    guest.make_image("image", 80 * MIB)
    server = guest.serve("image")
    # What was on its way when the server had gone is an error after the timeout, as there is no other connection left.
    guest.attach("tcp", "image", guest.device, "-C", 4, "-timeout", 10)
    writers = [Writer(guest.device, range(8192 * place, 8192 * (place + 1)), how, f"{how}.acknowledged")
               for place, how in enumerate(HOWS)]
    busy = guest.beside(start(*load(guest.device)))
    guest.wait_until(lambda: all(writer.count >= LEAST for writer in writers))
    server.stop()
    for writer in writers:
        writer.join()
        holds(writer.error == "EIO", f"the writer with {writer.how} ended with {writer.error}, not EIO")
    said, _ = busy.communicate()
    holds(busy.returncode > 0 and "Input/output error" in said, f"fio ended with exit code {busy.returncode}: {said}")
    guest.detach(guest.device)
    outside(None)


def outside(left):
    for how in HOWS:
        check_acknowledged("image", f"{how}.acknowledged", LEAST)
