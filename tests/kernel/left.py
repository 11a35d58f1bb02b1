"""What the second halves of the checks use, on the host, when the guest has ended: what it has left on its disk."""

import pathlib
import re

from tools import run


class Left:
    """A copy of the check's folder, which is the current one."""

    def __init__(self, work, name):
        self.name, self.share, self.files = name, work / "share", work / "files"
        self._disk = work / "scratch.img"
        (work / "left").mkdir(exist_ok=True)
        run("debugfs", "-R", f"rdump /{name} {work}/left", self._disk)
        self.folder = work / "left" / name

    def allocated(self, image):
        """How many bytes of an image are allocated on the guest's disk."""
        told = run("debugfs", "-R", f"stat /{self.name}/{image}", self._disk)
        return int(re.search(r"Blockcount: (\d+)", told)[1]) * 512

    def from_ext4(self, image, *paths):
        """Copies files and folders out of an image with ext4; returns the folder with the copies."""
        target = pathlib.Path(self.folder, "from_ext4")
        target.mkdir(exist_ok=True)
        run("debugfs", "-R", f"rdump {' '.join(paths)} {target}", image)
        return target
