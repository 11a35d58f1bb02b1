"""What the first halves of the checks use, in the guest: the server, the kernel's client, file systems on it."""

import contextlib
import os
import pathlib
import re
import time

from tools import holds, run

from lib import config
from lib.server import Server


class Guest:
    """Of one check: its own folder, which is the current one, its own port and two devices. What was started ends with
    it."""

    def __init__(self, work, name, number, report_cut):
        self.folder = work / "scratch" / name
        self.share, self.files = work / "share", work / "files"
        self.port = 10809 + number
        self.socket = self.folder / "ashlar.sock"
        self.device, self.second_device = f"/dev/nbd{2 * number}", f"/dev/nbd{2 * number + 1}"
        self.jobs, self.servers, self._report_cut = [], [], report_cut

    def __enter__(self):
        self.folder.mkdir()
        os.chdir(self.folder)
        return self

    def __exit__(self, *error):
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{self.folder}/"):
                run("umount", "--lazy", line.split()[1])
        for process in [*self.jobs, *(server.process for server in self.servers)]:
            if process.poll() is None:
                process.kill()
        for device in (self.device, self.second_device):
            if self.is_attached(device):
                run("nbd-client", "-d", device)
        os.chdir("/")

    def wait_until(self, comes_true):
        """No time is asserted: what never comes true is a hang, which ends the machine. A server that ends by itself
        is a failure."""
        while not comes_true():
            for server in self.servers:
                holds(server.stopped or server.alive(), "the server has ended by itself")
            time.sleep(0.05)

    def beside(self, process):
        """A program that is not to outlive the check."""
        self.jobs.append(process)
        return process

    # ---- The server ----

    def serve(self, *images, **settings):
        """Each image is the export of its name, with a line in the log for each request. `settings` are the server's."""
        exports = [config.file_export(self.folder / image, image, filters=[{"type": "log"}]) for image in images]
        listen = [f"unix:{self.socket}", f"tcp:127.0.0.1:{self.port}"]
        file = self.folder / "server.toml"
        file.write_text(config.toml(exports, listen=listen, **settings))
        server = Server([file], self.folder / f"server-{len(self.servers)}.log", len(listen))
        self.servers.append(server)
        return server

    @staticmethod
    def kill(server):
        """Without a warning."""
        server.stopped = True
        server.process.kill()
        server.process.wait()

    def logged(self, pattern):
        """How many lines of the running server's log match."""
        return len(re.findall(pattern, self.servers[-1].log()))

    # ---- The kernel's client ----

    def attach(self, transport, export, device, *words):
        """Connects a device with nbd-client, over "unix" or "tcp"."""
        where = ["-unix", self.socket] if transport == "unix" else ["127.0.0.1", self.port]
        run("nbd-client", *where, device, "-name", export, *words)

    @staticmethod
    def is_attached(device):
        return pathlib.Path("/sys/block", pathlib.Path(device).name, "pid").exists()

    def detach(self, device):
        """Returns when the kernel has let the device go, with all its connections."""
        run("nbd-client", "-d", device)
        self.wait_until(lambda: not self.is_attached(device))

    @staticmethod
    def size(device):
        """In bytes."""
        return 512 * int(pathlib.Path("/sys/block", pathlib.Path(device).name, "size").read_text())

    @staticmethod
    def forget_cached():
        """What is read from now on comes from the server, or from the disk below it."""
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")

    @contextlib.contextmanager
    def mounted(self, what, *words):
        """The file system of a device or image, in the folder that this gives."""
        folder = self.folder / "mounted"
        folder.mkdir(exist_ok=True)
        run("mount", *words, what, folder)
        yield folder
        run("umount", folder)

    def cut_power(self):
        """Ends the machine as a power cut does: what is not on the disk yet is lost. Does not return."""
        self._report_cut()
        pathlib.Path("/proc/sysrq-trigger").write_text("b")
        time.sleep(600)

    # ---- Images ----

    @staticmethod
    def make_image(name, size):
        """A sparse file; longer or shorter, if it is there already."""
        with open(name, "ab") as image:
            image.truncate(size)

    @staticmethod
    def allocated(image):
        """In bytes."""
        return os.stat(image).st_blocks * 512
