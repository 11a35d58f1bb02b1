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
from tools import first_line

SKIPPED = 77  # ctest's SKIP_RETURN_CODE
LAST = "power_cut_keeps_flushed_writes"  # the machine does not outlive it
NEEDS_TLS = {"tls_is_the_kernels"}  # not for a server that was built without it: $ASHLAR_TLS is OFF
NOT_YET = {"new_size_is_seen_beside_an_old_client"}  # does not hold yet: run only when it is named
TOOLS = ("qemu-system-x86_64", "busybox", "nbd-client", "fio", "blkdiscard", "fstrim", "ss", "mkfs.ext4", "e2fsck", "debugfs", "nbdcopy",
         "mkfs.xfs", "xfs_repair", "cpio", "depmod", "modprobe", "apt-get", "dpkg-deb", "nbdkit")
# What an event means that the guest has reported last.
WRONG = {"begin": "the guest ended in the middle of it", "hung": "hangs", "failed": "inside the guest: "}


def check_names():
    names = {path.stem for path in (HERE / "checks").glob("*.py")}
    return [*sorted(names - {LAST}), LAST]


def show(path, first=10, last=30):
    """The beginning and the end of a log."""
    if not path.exists():
        return
    lines = path.read_text(errors="replace").splitlines()
    if len(lines) > first + last:
        lines[first:-last] = [f"… {len(lines) - first - last} lines …"]
    print(f"    ---- {path.name}:")
    print("".join(f"    {line}\n" for line in lines), end="")


def look_from_outside(machine, name, left):
    """Returns what is wrong, or None."""
    before = os.getcwd()
    try:
        os.chdir(left.folder)
        importlib.import_module(f"checks.{name}").outside(left)
        return None
    except Exception as error:
        (machine.share / f"{name}.outside").write_text(traceback.format_exc())
        return f"seen from outside: {first_line(error)}"
    finally:
        os.chdir(before)


def judge(machine, name, event=None, seconds="", reason=""):
    """Prints one line for the check, and the logs if it has failed. Returns whether it was right."""
    if event is None:
        print(f"FAILED   {name}: was not run")
        return False
    left = Left(machine.work, name)
    wrong = WRONG[event] + reason if event in WRONG else look_from_outside(machine, name, left)
    if wrong is None:
        print(f"ok       {name}" + (f" ({seconds} s)" if seconds else ""), flush=True)
        shutil.rmtree(left.folder)
        return True
    print(f"FAILED   {name}: {wrong}")
    for part in ("inside", "outside", "kernel"):
        show(machine.share / f"{name}.{part}")
    for log in sorted(left.folder.glob("server-*.log")):
        show(log)
    return False


def run_checks(machine):
    start = time.monotonic()
    trouble = machine.run()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = used.ru_utime + used.ru_stime
    print(f"the guest ran for {time.monotonic() - start:.0f} s, with {spent:.0f} s of processor time", flush=True)
    trouble = trouble or machine.repair_disk()
    events = machine.events()
    right = [judge(machine, name, *events.get(name, ())) for name in machine.checks]
    if all(right) and not trouble:
        return True
    print(f"FAILED   {trouble or str(right.count(False)) + ' of ' + str(len(right)) + ' checks'}")
    show(machine.work / "qemu")
    show(machine.work / "console")
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
    parser.add_argument("--cache", type=pathlib.Path, default=HERE.parents[1] / "build/tests/kernel",
                        help="the folder that the guest's kernel is kept in")
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
        left_out = NOT_YET | (NEEDS_TLS if os.environ.get("ASHLAR_TLS") == "OFF" else set())
        checks = [name for name in check_names() if name in (words.checks or set(check_names()) - left_out)]
        machine = Machine(pathlib.Path(work), kernel, checks, words.shell)
        return 0 if (machine.run() is None if words.shell else run_checks(machine)) else 1


if __name__ == "__main__":
    sys.exit(main())
