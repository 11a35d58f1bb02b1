"""A whole Ceph of one's own for tests: a monitor and an OSD that keeps all in memory, or on the disk where it is to be killed, on
loopback, with the pool rbd; it asks nobody who he is unless it is to. It is there within 5 s and ends with the process that started
it."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import ports, processes  # noqa: E402
from lib.processes import run  # noqa: E402

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "rbd", "monmaptool")
PATIENCE = 60  # seconds; only a failure takes so long
# The OSD asks the monitor before it knows the cluster unless it is told not to, and then ends now and then.
CONF = """
[global]
fsid = {fsid}
mon host = v1:{address}:{port}
public addr = {address}
cluster addr = {address}
auth cluster required = {auth}
auth service required = {auth}
auth client required = {auth}
keyring = {folder}/$name.keyring
auth allow insecure global id reclaim = true
run dir = {folder}
log file = {folder}/$name.log
pid file =
admin socket = {folder}/$name.asok
ms bind ipv6 = false
ms bind msgr2 = false
mgr initial modules =
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
{store}
osd class update on start = false
osd crush update on start = false
osd client watch timeout = {watch}
osd fast shutdown = false
[mon.a]
host = {host}
mon data = {folder}/mon
mon addr = {address}:{port}
[osd.0]
osd data = {folder}/osd
[client]
log file =
admin socket =
rbd default features = 61
"""
# What the OSD keeps its objects in. The first has them in a file only once it has ended in order; the second always.
MEMORY = """osd objectstore = memstore
memstore device bytes = {bytes}
memstore page set = true"""
DISK = """osd objectstore = bluestore
bluestore block size = {bytes}
bluestore cache autotune = false
bluestore cache size = 67108864"""


class Cluster:
    """Runs when constructed, until stop(). `size`: of all that it can hold, in bytes. `address`: where it listens, and `within`: words
    of a command that executes the words behind it, where there is that address. `auth`: "none" or "cephx". `watch`: after so
    many seconds a client of which nothing is heard is dead, and shut out by who wants its lock. Who lives is heard of every 5 s."""

    def __init__(self, size=2 << 30, store=MEMORY, address="127.0.0.1", within=(), auth="none", watch=5):
        self.address, self._within, self.auth, self._watch = address, within, auth, watch
        self._holder = tempfile.TemporaryDirectory(prefix="ashlar-ceph-")
        self.folder = pathlib.Path(self._holder.name)
        self.conf = self.folder / "ceph.conf"
        self._running = {}
        try:
            self._start(size, store)
        except BaseException:
            self.stop()
            raise

    def _start(self, size, store):
        for name in ("mon", "osd"):
            (self.folder / name).mkdir()
        self.fsid = str(uuid.uuid4())
        self.port = ports.free()
        self.conf.write_text(CONF.format(fsid=self.fsid, address=self.address, port=self.port, folder=self.folder, auth=self.auth,
                                         host=socket.gethostname(), watch=self._watch, store=store.format(bytes=size)))
        self._run("monmaptool", "--create", "--clobber", "--fsid", self.fsid, "--addv", "a", f"[v1:{self.address}:{self.port}]",
            self.folder / "monmap")
        self._run("ceph-mon", "-c", self.conf, "--mkfs", "-i", "a", "--monmap", self.folder / "monmap", *self._first_keys())
        self.start("mon")
        osd = str(uuid.uuid4())
        self._when_it_answers("osd", "new", osd)
        (self.folder / "osd" / "fsid").write_text(osd + "\n")
        if self.auth != "none":
            self.add_user("osd.0", "mon", "allow profile osd", "osd", "allow *")
        self._run("ceph-osd", "-c", self.conf, "--mkfs", "-i", "0", "--osd-uuid", osd)
        self._when_it_answers("osd", "crush", "add", "0", "1.0", "root=default", "host=h")
        self.start("osd")
        self._when_it_answers("osd", "pool", "create", "rbd", "8", "8")
        self.wait_until_up()

    def _first_keys(self):
        """Words for the monitor, which knows nobody else at first."""
        if self.auth == "none":
            return []
        keys = self.folder / "client.admin.keyring"
        for name, caps in (("mon.", ["mon", "allow *"]), ("client.admin", ["mon", "allow *", "osd", "allow *"])):
            caps = [word for pair in zip(caps[::2], caps[1::2]) for word in ("--cap", *pair)]
            self._run("ceph-authtool", keys, *([] if keys.exists() else ["--create-keyring"]), "--gen-key", "-n", name, *caps)
        return ["--keyring", keys]

    def add_user(self, name, *caps):
        """Its key is in its keyring then, and is returned."""
        keyring = self.folder / f"{name}.keyring"
        self._when_it_answers("auth", "get-or-create", name, *caps, "-o", keyring)
        return re.search(r"key = (\S+)", keyring.read_text()).group(1)

    def _run(self, *words, **how):
        return run(*self._within, *words, **how)

    def _when_it_answers(self, *words):
        """Says the same again and again, as a monitor that has just begun refuses even to tell its commands."""
        end = time.monotonic() + PATIENCE
        while self._run("ceph", "-c", self.conf, *words, timeout=PATIENCE, ok=False).returncode != 0:
            if time.monotonic() > end:
                raise AssertionError(f"in vain asked the monitor for: {' '.join(words)}")
            time.sleep(0.1)

    def start(self, which):
        """`which`: mon or osd."""
        name = {"mon": "a", "osd": "0"}[which]
        self._running[which] = processes.start([*self._within, f"ceph-{which}", "-c", self.conf, "-f", "-i", name],
                                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, which, how=signal.SIGKILL):
        process = self._running.pop(which)
        process.send_signal(how)
        process.wait()

    def halt(self, which):
        """It is there and answers nothing, until go_on()."""
        processes.halt(self._running[which].pid)

    def go_on(self, which):
        self._running[which].send_signal(signal.SIGCONT)

    def stop(self):
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        self._holder.cleanup()

    def ceph(self, *words, timeout=PATIENCE):
        return self._run("ceph", "-c", self.conf, *words, timeout=timeout)

    def rbd(self, *words, timeout=PATIENCE, ok=True):
        return self._run("rbd", "-c", self.conf, *words, timeout=timeout, ok=ok)

    def wait_until_up(self):
        """Until images can be written to."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if self._run("rbd", "-c", self.conf, "ls", timeout=5, ok=False).returncode == 0:
                    return
            except subprocess.TimeoutExpired:
                pass
        raise AssertionError("Ceph does not come up:\n" + "".join(
            file.read_text(errors="replace")[-2000:] for file in self.folder.glob("*.log")))

    def create(self, name, size, *more):
        """`size` as rbd has it: bytes with B, "256M"."""
        self.rbd("create", "--size", size, name, *more)

    def export(self, name):
        """The bytes of an image, as Ceph's own program has them."""
        done = subprocess.run([*self._within, "rbd", "-c", str(self.conf), "export", "--no-progress", name, "-"], capture_output=True,
                              timeout=PATIENCE, check=True)
        return done.stdout

    def diff(self, name):
        """[(offset, length), …] of the objects that there are, neighbours put together."""
        found = []
        for one in json.loads(self.rbd("diff", "--whole-object", "--format", "json", name)):
            if one["exists"] != "true":
                continue
            if found and found[-1][0] + found[-1][1] == one["offset"]:
                found[-1] = (found[-1][0], found[-1][1] + one["length"])
            else:
                found.append((one["offset"], one["length"]))
        return found

    def lock_owner(self, name):
        """The client's number that holds the exclusive lock; None: nobody."""
        found = re.search(r"client\.(\d+)", self.rbd("lock", "ls", name))
        return found and found.group(1)


def missing_programs():
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return [name for name in PROGRAMS if shutil.which(name, path=folders) is None]


def main():
    """Runs a command while there is a cluster; $CEPH_CONF tells it where. Ends with its exit code."""
    if len(sys.argv) < 2:
        sys.exit("usage: cluster.py COMMAND…")
    if lacking := missing_programs():
        sys.exit(f"cluster.py: needs {', '.join(lacking)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    own = Cluster()
    try:
        command = processes.start(sys.argv[1:], env={**os.environ, "CEPH_CONF": str(own.conf)})
        try:
            code = command.wait()
        finally:
            command.kill()
            command.wait()
    finally:
        own.stop()
    sys.exit(code if code >= 0 else 1)


if __name__ == "__main__":
    main()
