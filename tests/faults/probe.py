#!/usr/bin/env python3
"""probe.py file|device REFUSED REFUSE ASHLAR: `ashlar probe` on the file system mounted on $FOLDER or on the loop device $DEVICE, with
REFUSED (a list for `refuse`, or "nothing") taken away, tells what is so and leaves no trace. Exit code 0: all was right."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys


def check(condition, what):
    if not condition:
        sys.exit(f"probe.py: {what}")


class Probe:
    def __init__(self, refused, refuse, ashlar):
        self.refused = set() if refused == "nothing" else set(refused.split(","))
        self.command = ([refuse, refused, "--"] if self.refused else []) + [ashlar, "probe"]

    def run(self, *words):
        """The answer as JSON: its kind, and its rows by name."""
        done = subprocess.run([*self.command, *map(str, words), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(done.returncode == 0, f"{words}: exit code {done.returncode}: {done.stderr.decode()}")
        check(not done.stderr, f"{words}: it complains: {done.stderr.decode()}")
        answer = json.loads(done.stdout.decode("utf-8"))
        print(json.dumps(answer, indent=1))
        check(answer["path"] == str(words[0]), f"the path is told as {answer['path']!r}")
        return answer["kind"], {row["name"]: row for row in answer["methods"]}


def state(path):
    status = path.stat()
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return content, status.st_mtime_ns, status.st_ctime_ns, status.st_blocks, status.st_size


def expect(rows, wanted):
    for name, supported in wanted.items():
        check(rows[name]["supported"] is supported, f"{name}: {rows[name]}, not {supported}")


def expected_of_a_file_system(kind, refused):
    fallocate = "fallocate" not in refused
    punch = fallocate and "punch_hole" not in refused
    zero_range = fallocate and kind not in ("tmpfs", "overlay") and "zero_range" not in refused
    wanted = {"punch_hole": punch, "zero_range": zero_range, "punch_and_allocate": punch, "trim": punch,
              "zero": punch or zero_range, "extents": True, "write_dsync": True, "read_holes": kind != "overlay"}
    if punch:
        return wanted
    return wanted | {"zero": zero_range} | ({} if zero_range else {"fast_zero": False})


def probe_file_system(probe):
    folder, kind = pathlib.Path(os.environ["FOLDER"]), os.environ["FSTYPE"]
    disk = folder / 'di"sk'
    disk.write_bytes(os.urandom(100_000))
    os.truncate(disk, 1_000_000)
    os.sync()
    before, names = state(disk), sorted(os.listdir(folder))
    wanted = expected_of_a_file_system(kind, probe.refused)
    for path, called in ((disk, "file"), (folder, "folder")):
        told, rows = probe.run(path)
        check(told == f"{called} on {'overlayfs' if kind == 'overlay' else kind}", told)
        expect(rows, wanted)
        if rows["punch_hole"]["supported"]:
            check("deallocates" in rows["punch_hole"]["note"], rows["punch_hole"])
        for name in ("zero_range", "punch_and_allocate"):
            if rows[name]["supported"]:
                check("what was a hole is provisioned" in rows[name]["note"], rows[name])
    _, rows = probe.run(disk, "--read-only")
    expect(rows, {"read_holes": kind != "overlay",
                  "punch_hole": None if "fallocate" not in probe.refused and "punch_hole" not in probe.refused else False})
    check(state(disk) == before, "the file was changed")
    check(sorted(os.listdir(folder)) == names, f"left behind: {os.listdir(folder)}")


def probe_read_only_mount(probe):
    folder = os.environ["FOLDER"]
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    _, rows = probe.run(folder)
    check(rows["scratch"]["supported"] is False and rows["scratch"]["note"].startswith("EROFS: "), rows["scratch"])
    check(rows["punch_and_allocate"]["supported"] is not True, rows)


def probe_device(probe):
    device = pathlib.Path(os.environ["DEVICE"])
    device.write_bytes(os.urandom(64 << 20))
    before = hashlib.sha256(device.read_bytes()).hexdigest()
    kind, rows = probe.run(device)
    check(kind == "block device", kind)
    fallocate, blkzeroout = "fallocate" not in probe.refused, "blkzeroout" not in probe.refused
    expect(rows, {"punch_hole": fallocate, "zero_range": fallocate, "blkzeroout": blkzeroout, "blkdiscard": True,
                  "zero": fallocate or blkzeroout, "fast_zero": fallocate, "trim": True, "extents": False, "direct": True})
    check(f"multiples of {os.environ['SECTOR']} bytes" in rows["direct"]["note"], rows["direct"])
    check(hashlib.sha256(device.read_bytes()).hexdigest() == before, "the device was changed")


def main():
    what, refused, refuse, ashlar = sys.argv[1:]
    probe = Probe(refused, refuse, ashlar)
    if what == "device":
        probe_device(probe)
    else:
        probe_file_system(probe)
        probe_read_only_mount(probe)


if __name__ == "__main__":
    main()
