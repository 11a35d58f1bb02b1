"""The virtual machine that the guest runs in, and its files."""

import json
import pathlib
import shlex
import shutil
import subprocess

import guest_kernel
from tools import MIB, run

from lib import processes
from lib.server import PROGRAM

HERE = pathlib.Path(__file__).resolve().parent
# Only a hang takes so long.
MACHINE_SECONDS, CHECK_SECONDS = 1700, 600


class Machine:
    """One run of the guest. In the folder `work` lie, besides what is the machine's own: `share`, which the guest
    writes to; `files`, which it may copy; `scratch`, where the guest mounts its disk."""

    def __init__(self, work, kernel, checks, shell=False):
        self.work, self.checks, self.shell = work, checks, shell
        self.share, self.disk = work / "share", work / "scratch.img"
        for name in ("share", "scratch", "files"):
            (work / name).mkdir()
        # Copies, because the tree may change meanwhile.
        shutil.copy(PROGRAM, work / "files" / "program")
        for folder in ("plugins", "filters"):
            shutil.copytree(HERE.parents[1] / folder, work / "files" / "sources" / folder)
        self._write_settings()
        guest_kernel.write_initramfs(kernel, work / "initramfs")
        with open(self.disk, "wb") as disk:
            disk.truncate(4096 * MIB)
        run("mkfs.ext4", "-q", "-F", self.disk)
        console = "stdio" if shell else f"file:{work}/console"
        self._command = [
            # One thread for both processors of the guest: with one for each, where the host has other work, too, one waits
            # idly for a lock whose holder is not running, and all takes twice the processor time.
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", 2, "-m", "1G",
            "-nodefaults", "-no-reboot", "-display", "none", "-serial", console,
            "-kernel", kernel / "vmlinuz", "-initrd", work / "initramfs",
            "-append", "console=ttyS0 panic=-1 quiet no_timer_check mitigations=off random.trust_cpu=on",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.share},mount_tag=share,security_model=none",
            # What the guest has handed to its disk outlives it, flushed or not: only the guest's own cache is at stake.
            "-drive", f"file={self.disk},format=raw,if=virtio,cache=unsafe,discard=unmap"]

    def _write_settings(self):
        """`settings` is for init, the other for inside.py."""
        told = self.share / "settings.json"
        program = str(pathlib.Path(PROGRAM).resolve())
        told.write_text(json.dumps({"work": str(self.work), "program": program, "checks": self.checks,
                                    "check_seconds": CHECK_SECONDS}))
        command = shlex.join(["/usr/bin/python3", str(HERE / "inside.py"), str(told)])
        if self.shell:
            command = "/usr/bin/setsid --ctty --wait /bin/bash -i </host/dev/ttyS0 >/host/dev/ttyS0 2>&1"
        settings = {"WORK": str(self.work), "COMMAND": command, "ASHLAR": program}
        lines = [f"export {key}={shlex.quote(value)}\n" for key, value in settings.items()]
        (self.share / "settings").write_text("".join(lines))

    def run(self):
        """Until the machine has ended. Returns what is wrong with that, or None."""
        if self.shell:
            return processes.start(self._command).wait() or None
        with open(self.work / "qemu", "wb") as said:
            machine = processes.start(self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            code = machine.wait(MACHINE_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the guest has not ended after {MACHINE_SECONDS} seconds"
        finally:
            machine.kill()
            machine.wait()
        return f"qemu ended with exit code {code}" if code != 0 else None

    def events(self):
        """What the guest has reported of each check last: {check: (event, seconds, reason)}."""
        path = self.share / "results"
        found = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            event, name, seconds, reason = (line.split(" ", 3) + ["", ""])[:4]
            found[name] = event, seconds, reason
        return found

    def repair_disk(self):
        """The machine's end has left the disk with a journal; what was flushed is in it."""
        done = subprocess.run(["e2fsck", "-f", "-p", self.disk], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        return f"the guest's disk is damaged: {done.stdout}" if done.returncode > 1 else None
