"""The image is made longer while a client is connected: the next one has the new size, the old one keeps its own and
goes on."""

from sizes import device_has, image_has, mark, write_mark
from tools import MIB, bytes_at, same


def inside(guest):
    guest.make_image("image", 4 * MIB)
    server = guest.serve("image")
    guest.attach("tcp", "image", guest.device, "-C", 2)
    guest.make_image("image", 6 * MIB)
    guest.attach("unix", "image", guest.second_device, "-C", 2)
    device_has(guest, guest.second_device, 6 * MIB)
    device_has(guest, guest.device, 4 * MIB)
    write_mark(guest.second_device, 5 * MIB)
    write_mark(guest.device, 3 * MIB)
    guest.forget_cached()
    same(bytes_at(guest.second_device, 3 * MIB, MIB), mark(3 * MIB), "what the old client wrote, read by the new one,")
    guest.detach(guest.second_device)
    guest.detach(guest.device)
    server.stop()


def outside(left):
    image_has(6 * MIB, 3 * MIB, 5 * MIB)
