"""Files on xfs, over tcp."""

from files import keep_files
from tools import MIB, run


def make_file_system(device):
    run("mkfs.xfs", "-q", device)


def check_file_system(image):
    run("xfs_repair", "-n", image)


def inside(guest):
    guest.make_image("image", 320 * MIB)
    keep_files(guest, "tcp", "image", make_file_system, check_file_system)


def outside(left):
    check_file_system("image")
