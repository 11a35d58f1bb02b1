#!/usr/bin/python3
"""The server and the Linux kernel's own client, in a virtual machine. See README.md.

    run.py [CHECK]...    runs all checks, or these, and prints a line for each
    run.py --shell       a shell in the guest instead
    run.py --list        the checks' names

The program under test is $ASHLAR. Exit codes: 0 all is well, 1 a check has failed, 77 it cannot run here."""

import argparse
import importlib
import os
import pathlib
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

import guest_kernel
from left import Left
from machine import HERE, Machine

SKIPPED = 77  # ctest's SKIP_RETURN_CODE
LAST = "power_cut_keeps_flushed_writes"  # the machine does not outlive it
TOOLS = ("qemu-system-x86_64", "busybox", "nbd-client", "fio", "blkdiscard", "fstrim", "ss", "mkfs.ext4", "debugfs", "mkfs.xfs",
         "xfs_repair", "cpio", "depmod", "modprobe", "apt-get", "dpkg-deb")
WRONG = {None: "was not run", "begin": "the guest ended in the middle of it", "hung": "hangs", "failed": "wrong inside the guest"}


def check_names():
    names = {path.stem for path in (HERE / "checks").glob("*.py")}
    return [*sorted(names - {LAST}), LAST]


def tail(path, lines=40):
    if path.exists():
        print(f"    ---- end of {path.name}:")
        print("".join(f"    {line}\n" for line in path.read_text(errors="replace").splitlines()[-lines:]), end="")


def looks_right_from_outside(machine, name):
    before = os.getcwd()
    try:
        left = Left(machine.work, name)
        os.chdir(left.folder)
        importlib.import_module(f"checks.{name}").outside(left)
        return True
    except Exception:
        (machine.share / f"{name}.outside").write_text(traceback.format_exc())
        return False
    finally:
        os.chdir(before)


def judge(machine, name, event, seconds):
    """Prints one line for the check, and the logs if it has failed. Returns whether it was right."""
    wrong = WRONG.get(event)
    if wrong is None and not looks_right_from_outside(machine, name):
        wrong = "wrong in what it left, seen from outside"
    if wrong is None:
        print(f"ok       {name}" + (f" ({seconds} s)" if seconds else ""), flush=True)
        return True
    print(f"FAILED   {name}: {wrong}")
    for half in ("inside", "outside", "kernel"):
        tail(machine.share / f"{name}.{half}")
    return False


def run_checks(machine):
    start = time.monotonic()
    trouble = machine.run()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"the guest ran for {time.monotonic() - start:.0f} s, with {used.ru_utime + used.ru_stime:.0f} s of processor time")
    trouble = trouble or machine.repair_disk()
    events = machine.events()
    right = [judge(machine, name, *events.get(name, (None, None))) for name in machine.checks]
    if all(right) and not trouble:
        return True
    print(f"FAILED   {trouble or str(right.count(False)) + ' of ' + str(len(right)) + ' checks'}")
    tail(machine.work / "qemu")
    tail(machine.work / "console")
    return False


def kernel_or_skip(cache):
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        print(f"skipped: not installed: {' '.join(absent)}")
        sys.exit(SKIPPED)
    try:
        return guest_kernel.provide(cache)
    except guest_kernel.Missing as missing:
        print(f"skipped: no kernel for the guest: {missing}")
        sys.exit(SKIPPED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--shell", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--cache", type=pathlib.Path, default=HERE.parents[1] / "build" / "tests" / "kernel", help="keeps the kernel")
    words = parser.parse_args()
    if words.list:
        print("\n".join(check_names()))
        return 0
    unknown = set(words.checks) - set(check_names())
    if unknown:
        parser.error(f"there is no check {' '.join(unknown)}: see --list")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.environ["LC_ALL"] = "C"
    kernel = kernel_or_skip(words.cache)
    # Asked to end, it still removes what it has made, and ends the machine.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ashlar-kernel-") as work:
        checks = [name for name in check_names() if name in words.checks or not words.checks]
        machine = Machine(pathlib.Path(work), kernel, checks, words.shell)
        return 0 if (machine.run() is None if words.shell else run_checks(machine)) else 1


if __name__ == "__main__":
    sys.exit(main())
