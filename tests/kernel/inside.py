#!/usr/bin/python3
"""inside.py SETTINGS: runs the checks in the guest, one after another. SETTINGS is a JSON file, written by
machine.py.

What it has to say goes to the shared folder, which the host sees at once: `results` has a line per event, NAME.inside
has what the check printed, NAME.kernel what the kernel logged meanwhile."""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback

from tools import first_line

settings = json.loads(pathlib.Path(sys.argv[1]).read_text())
os.environ["ASHLAR"] = settings["program"]

from guest import Guest  # noqa: E402  (it reads ASHLAR)

WORK = pathlib.Path(settings["work"])
SHARE = WORK / "share"


def report(*words):
    with open(SHARE / "results", "a") as results:
        print(*words, file=results)


def sysrq(key):
    pathlib.Path("/proc/sysrq-trigger").write_text(key)


def note_kernel_log(name):
    with open(SHARE / f"{name}.kernel", "wb") as log:
        subprocess.run(["dmesg"], stdout=log)


def give_up(name):
    """A check that hangs holds the kernel's own locks: nothing after it could be trusted."""
    sysrq("w")  # the blocked tasks, into the kernel's log
    note_kernel_log(name)
    report("hung", name)
    sysrq("o")


def run_check(name, number):
    """Everything that the check prints goes to its own file."""
    report("begin", name)
    subprocess.run(["dmesg", "--clear"])
    start = time.monotonic()
    watch = threading.Timer(settings["check_seconds"], give_up, [name])
    watch.start()
    event, reason = "ok", ""
    with open(SHARE / f"{name}.inside", "w", buffering=1) as said:
        sys.stdout = said
        try:
            with Guest(WORK, name, number, lambda: report("cut", name)) as guest:
                importlib.import_module(f"checks.{name}").inside(guest)
        except Exception as error:
            traceback.print_exc(file=said)
            event, reason = "failed", first_line(error)
        sys.stdout = sys.__stdout__
    watch.cancel()
    note_kernel_log(name)
    os.sync()
    report(event, name, round(time.monotonic() - start), reason)


for place, check in enumerate(settings["checks"]):
    run_check(check, place)
