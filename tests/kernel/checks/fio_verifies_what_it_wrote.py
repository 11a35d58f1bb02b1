"""Random writes of many sizes, many at once, with flushes between, over both transports: two devices on one image."""

from tools import MIB, finish, fio, run, start


def job(path, offset, *words):
    return fio("verify", path, f"--offset={offset}", f"--size={8 * MIB}", "--bsrange=4k-128k", "--iodepth=16",
               "--fsync=16", *words)


def inside(guest):
    guest.make_image("image", 16 * MIB)
    server = guest.serve("image")
    guest.attach("unix", "image", guest.device, "-C", 4)
    guest.attach("tcp", "image", guest.second_device, "-C", 4)
    both = [guest.beside(start(*job(guest.device, 0))), guest.beside(start(*job(guest.second_device, 8 * MIB)))]
    for process in both:
        finish(process)
    guest.wait_until(lambda: guest.logged(" flush .*result=ok") > 0)
    guest.detach(guest.device)
    guest.detach(guest.second_device)
    server.stop()


def outside(left):
    run(*job("image", 0, "--verify_only"))
    run(*job("image", 8 * MIB, "--verify_only"))
