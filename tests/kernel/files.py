"""Files through the kernel's client and back, for checks on different file systems."""

import os
import shutil

from tools import holds, same, tree

SHORTER = 77_777


def copy_files(source, target):
    """Copies of the host's files, some of which have a longer life: made shorter, made longer again, moved, deleted."""
    shutil.copytree(source, target / "files")
    shutil.copytree(source / "sources", target / "copied")
    os.rename(target / "copied", target / "moved")
    for header in (target / "moved").rglob("*.hpp"):
        header.unlink()
    shutil.copy(source / "program", target / "changed")
    os.truncate(target / "changed", SHORTER)
    with open(target / "changed", "ab") as changed:
        changed.write((source / "program").read_bytes())


def check_files(source, target):
    wanted = tree(source)
    _same_trees(tree(target / "files"), wanted)
    moved = {path.removeprefix("sources/"): content for path, content in wanted.items()
             if path.startswith("sources/") and not path.endswith(".hpp")}
    _same_trees(tree(target / "moved"), moved)
    same((target / "changed").read_bytes(), wanted["program"][:SHORTER] + wanted["program"], "the changed file")


def _same_trees(found, wanted):
    odd = sorted(found.keys() ^ wanted.keys())
    holds(not odd, f"files that are missing, or that should not be there: {odd}")
    for path, content in wanted.items():
        same(found[path], content, path)


def keep_files(guest, transport, image, make_file_system, check_file_system):
    """The whole way, through four connections. At the end without the kernel's client, whose cache may hide what is
    in the image."""
    server = guest.serve(image)
    guest.attach(transport, image, guest.device, "-C", 4)
    make_file_system(guest.device)
    with guest.mounted(guest.device) as folder:
        copy_files(guest.files, folder)
    guest.forget_cached()
    with guest.mounted(guest.device) as folder:
        check_files(guest.files, folder)
    guest.detach(guest.device)
    server.stop()
    check_file_system(image)
    with guest.mounted(image, "-o", "loop,ro") as folder:
        check_files(guest.files, folder)
