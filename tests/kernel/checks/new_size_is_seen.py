"""The image is made longer while nobody is connected: the next client has the new size."""

from sizes import device_has, image_has, write_mark
from tools import MIB


def inside(guest):
    guest.make_image("image", 4 * MIB)
    server = guest.serve("image")
    for size in (4 * MIB, 6 * MIB):
        guest.make_image("image", size)
        guest.attach("tcp", "image", guest.device, "-C", 2)
        device_has(guest, guest.device, size)
        write_mark(guest.device, size - MIB)
        guest.detach(guest.device)
    server.stop()


def outside(left):
    image_has(6 * MIB, 3 * MIB, 5 * MIB)
