#!/usr/bin/env python3
"""The server and the Linux kernel's own client, in a virtual machine. See README.md.

    run.py [CHECK]...    runs all checks, or these, and prints a line for each
    run.py --shell       a shell in the guest instead
    run.py --list        the checks' names

The program under test is $ASHLAR. Exit codes: 0 all is well, 1 a check has failed, 77 it cannot run here."""

import argparse
import os
import pathlib
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import guest_kernel

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from lib import processes  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

SKIPPED = 77  # ctest's SKIP_RETURN_CODE
LAST = "power_cut_keeps_flushed_writes"  # the machine does not outlive it
MACHINE_SECONDS, CHECK_SECONDS = 840, 300  # only a hang takes so long
TOOLS = ("qemu-system-x86_64", "nbd-client", "fio", "blkdiscard", "fstrim", "ss", "mkfs.ext4", "debugfs", "mkfs.xfs", "xfs_repair",
         "cpio", "depmod", "modprobe", "apt-get", "dpkg-deb")


def check_names():
    names = sorted(path.stem for path in (HERE / "checks").glob("*.sh"))
    names.remove(LAST)
    return [*names, LAST]


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


class Machine:
    """One run of the guest, with its files in `work`."""

    def __init__(self, work, kernel, checks, shell):
        self.work, self.checks, self.shell = work, checks, shell
        self.share, self.scratch = work / "share", work / "scratch.img"
        for folder in (self.share, work / "scratch"):
            folder.mkdir()
        self._copy_files()
        self._write_settings()
        guest_kernel.write_initramfs(kernel, work / "initramfs")
        with open(self.scratch, "wb") as disk:
            disk.truncate(4 << 30)
        processes.run("mkfs.ext4", "-q", "-F", self.scratch)
        self.command = [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", 2, "-m", "1G", "-nodefaults", "-no-reboot", "-display", "none",
            "-serial", "stdio" if shell else f"file:{work}/console",
            "-kernel", kernel / "vmlinuz", "-initrd", work / "initramfs",
            "-append", "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.share},mount_tag=share,security_model=none",
            # What the guest has handed to its disk outlives the guest, flushed or not: only the guest's own cache is at stake.
            "-drive", f"file={self.scratch},format=raw,if=virtio,cache=unsafe,discard=unmap"]

    def _copy_files(self):
        """Real files for the guest, which do not change meanwhile."""
        files = self.work / "files"
        files.mkdir()
        shutil.copy(PROGRAM, files / "program")
        for folder in ("sdk", "plugins", "filters"):
            shutil.copytree(ROOT / folder, files / "sources" / folder)

    def _write_settings(self):
        settings = {"WORK": self.work, "TESTS": HERE, "ASHLAR": pathlib.Path(PROGRAM).resolve(), "CHECKS": " ".join(self.checks),
                    "CHECK_SECONDS": CHECK_SECONDS, "SHELL_WANTED": "yes" if self.shell else "no"}
        (self.share / "settings").write_text("".join(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items()))

    def run(self):
        """Until the machine has ended. Returns what is wrong with that, or nothing."""
        if self.shell:
            processes.start(self.command).wait()
            return None
        with open(self.work / "qemu", "wb") as said:
            machine = processes.start(self.command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            code = machine.wait(MACHINE_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the guest has not ended after {MACHINE_SECONDS} seconds"
        finally:
            machine.kill()
            machine.wait()
        return f"qemu ended with exit code {code}" if code != 0 else None

    def results(self):
        """{check: [event, …]} of what the guest has reported."""
        path = self.share / "results"
        found = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            words = line.split()
            if len(words) > 1:
                found.setdefault(words[1], []).append([words[0], *words[2:]])
        return found

    def fetch(self, name):
        """What the check has left in its folder on the guest's disk, on the host."""
        (self.work / "left").mkdir(exist_ok=True)
        processes.run("debugfs", "-R", f"rdump /{name} {self.work}/left", self.scratch)
        return self.work / "left" / name


def tail(path, lines=40):
    if not path.exists():
        return
    text = path.read_text(errors="replace").splitlines()[-lines:]
    print(f"    ---- end of {path.name}:")
    print("".join(f"    {line}\n" for line in text), end="")


def judge(machine, name, events):
    """Prints one line for the check, and the logs if it has failed. Returns whether it was right."""
    last = events[-1] if events else None
    if last is None:
        print(f"FAILED   {name}: was not run")
        return False
    how = last[0]
    folder = machine.fetch(name)
    wrong = {"begin": "the guest ended in the middle", "hung": "hangs", "failed": "wrong inside the guest"}.get(how)
    if wrong is None:
        with open(machine.share / f"{name}.outside", "wb") as said:
            done = subprocess.run([HERE / "check.sh", "outside", name, folder], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                  env={**os.environ, "LC_ALL": "C", "WORK": str(machine.work), "TESTS": str(HERE),
                                       "SCRATCH": str(machine.scratch), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        wrong = "wrong in the image, seen from outside" if done.returncode != 0 else None
    if wrong is None:
        print(f"ok       {name}" + (f" ({last[1]} s)" if how == "ok" else ""))
        return True
    print(f"FAILED   {name}: {wrong}")
    for path in (machine.share / f"{name}.inside", machine.share / f"{name}.outside", folder / "server.log", machine.share / f"{name}.kernel"):
        tail(path)
    return False


def run_checks(machine):
    start = time.monotonic()
    trouble = machine.run()
    results = machine.results()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"the guest ran for {time.monotonic() - start:.0f} s, with {used.ru_utime + used.ru_stime:.0f} s of processor time")
    # The machine's end has left the disk's journal behind; what was flushed is in it.
    repaired = subprocess.run(["e2fsck", "-f", "-p", machine.scratch], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if repaired.returncode > 1:
        trouble = trouble or f"the guest's disk is damaged: {repaired.stdout}"
    right = [judge(machine, name, results.get(name, [])) for name in machine.checks]
    if all(right) and not trouble:
        return True
    print(f"FAILED   {trouble or str(right.count(False)) + ' of ' + str(len(right)) + ' checks'}")
    tail(machine.work / "qemu")
    tail(machine.work / "console")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--shell", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the work folder behind")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "build" / "tests" / "kernel", help="where the kernel is kept")
    words = parser.parse_args()
    if words.list:
        print("\n".join(check_names()))
        return 0
    unknown = set(words.checks) - set(check_names())
    if unknown:
        parser.error(f"there is no check {' '.join(unknown)}")
    checks = [name for name in check_names() if name in words.checks or not words.checks]

    os.environ["PATH"] += ":/usr/sbin:/sbin"
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        skip(f"not installed: {' '.join(absent)}")
    try:
        kernel = guest_kernel.provide(words.cache)
    except guest_kernel.Missing as missing:
        skip(f"no kernel: {missing}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ashlar-kernel-") as work:
        machine = Machine(pathlib.Path(work), kernel, checks, words.shell)
        right = run_checks(machine) if not words.shell else machine.run() is None
        if words.keep:
            shutil.copytree(work, words.cache / "kept", dirs_exist_ok=True)
            print(f"kept in {words.cache}/kept")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
