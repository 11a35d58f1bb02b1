"""What a file system has deleted and trimmed is freed in the image, and only that."""

import json
import os
import pathlib

from tools import MIB, blocks, holds, run, same

KINDS = ("ext4", "xfs")
KEPT = blocks(2 * MIB)


def image_is_trimmed(where, kind, full):
    """Most of the 24 MiB is freed; the file system's own blocks may have become more meanwhile."""
    now = where.allocated(f"{kind}.image")
    holds(full - now >= 20 * MIB, f"24 MiB were trimmed on {kind}: {full} bytes were allocated before, {now} are now")


def trim(guest, kind, device):
    image = f"{kind}.image"
    guest.attach("unix", image, device, "-C", 2)
    run(f"mkfs.{kind}", "-q", device)
    with guest.mounted(device) as folder:
        (folder / "kept").write_bytes(KEPT)
        (folder / "deleted").write_bytes(b"deleted\n" * (3 * MIB))
        os.sync()
        full = guest.allocated(image)
        (folder / "deleted").unlink()
        # The blocks of a deleted file can be trimmed only when its deletion is in the journal.
        os.sync()
        run("fstrim", folder)
    guest.detach(device)
    image_is_trimmed(guest, kind, full)
    return full


def inside(guest):
    for kind in KINDS:
        guest.make_image(f"{kind}.image", 320 * MIB)
    server = guest.serve(*(f"{kind}.image" for kind in KINDS))
    full = {kind: trim(guest, kind, device) for kind, device in zip(KINDS, (guest.device, guest.second_device))}
    pathlib.Path("full").write_text(json.dumps(full))
    server.stop()


def outside(left):
    full = json.loads(pathlib.Path("full").read_text())
    for kind in KINDS:
        image_is_trimmed(left, kind, full[kind])
    run("e2fsck", "-f", "-n", "ext4.image")
    run("xfs_repair", "-n", "xfs.image")
    same((left.from_ext4("ext4.image", "/kept") / "kept").read_bytes(), KEPT, "the file that was kept")
