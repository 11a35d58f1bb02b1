"""Files on ext4, over a unix socket."""

from files import check_files, keep_files
from tools import MIB, run


def make_file_system(device):
    run("mkfs.ext4", "-q", device)


def check_file_system(image):
    run("e2fsck", "-f", "-n", image)


def inside(guest):
    guest.make_image("image", 96 * MIB)
    keep_files(guest, "unix", "image", make_file_system, check_file_system)


def outside(left):
    check_file_system("image")
    check_files(left.files, left.from_ext4("image", "/files", "/moved", "/changed"))
