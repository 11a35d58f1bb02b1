"""Places to keep a disk image: file systems mounted from loop devices, tmpfs, and a bare loop device.

Everything is mounted in a mount namespace of the test's own and loop devices clear themselves, so nothing is left on the
machine, not even by a test that is killed."""

import contextlib
import ctypes
import mmap
import os
import pathlib
import tempfile

from .processes import run

KINDS = ("ext4", "xfs", "btrfs", "tmpfs", "loop")
_SIZE = 1 << 30
_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def held_in_page_cache(path, length):
    """The first `length` bytes of the file are in the page cache until what is returned is closed. Otherwise the kernel may drop them
    at any time, and does on machines that reclaim memory ahead of need (DAMON). Without the right to lock so much they are only read."""
    map_locked = 0x2000  # mmap(2)
    flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
    with open(path, "rb") as file:
        file.read(length)
        try:
            return mmap.mmap(file.fileno(), length, flags=flags | map_locked, prot=mmap.PROT_READ)
        except OSError:
            return mmap.mmap(file.fileno(), length, flags=flags, prot=mmap.PROT_READ)


class Image:
    """A disk image to be exported: a file, or a loop device over `backing`."""

    def __init__(self, path, backing=None):
        self.path = pathlib.Path(path)
        self.backing = pathlib.Path(backing or path)
        self.is_device = backing is not None

    def read(self):
        with open(self.path, "rb") as file:
            return file.read()

    def allocated(self):
        """Bytes that the storage holds for it."""
        for path in {self.path, self.backing}:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        return self.backing.stat().st_blocks * 512


def _leave_the_machine_s_mounts():
    """From here on this process and its children mount for themselves alone."""
    if _libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")


@contextlib.contextmanager
def loop_device(backing, sector=512):
    device = run("losetup", "--show", "--find", "--sector-size", sector, backing).strip()
    with open(device, "rb"):
        # Detached at the last close, of ours or of the server's.
        run("losetup", "--detach", device)
        yield device


class Storage:
    def __init__(self, kind):
        if kind not in KINDS:
            raise ValueError(f"{kind} is none of {', '.join(KINDS)}")
        self.kind = kind

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"ashlar-{self.kind}-")))
            if self.kind != "loop":
                _leave_the_machine_s_mounts()
                self._mount(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _mount(self, stack):
        place = self.folder / "mounted"
        place.mkdir()
        if self.kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "ashlar", place)
        else:
            disk = self.folder / "file-system"
            with open(disk, "wb") as file:
                file.truncate(_SIZE)
            run(f"mkfs.{self.kind}", "-q", disk)
            run("mount", "-t", self.kind, "-o", "loop", disk, place)
        stack.callback(run, "umount", place)

    def image(self, name, size):
        """A new sparse image; for a loop device, a new device over one."""
        path = (self.folder if self.kind == "loop" else self.folder / "mounted") / name
        with open(path, "xb") as file:
            file.truncate(size)
        if self.kind != "loop":
            return Image(path)
        return Image(self._stack.enter_context(loop_device(path)), backing=path)
