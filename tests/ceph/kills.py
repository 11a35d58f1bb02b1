"""Clients work while the OSD and the monitor are killed and started again, and while their servers fight for the lock of the image: no
byte is wrong. ASHLAR_CEPH_KILLS says how often something is killed."""

import os
import random
import sys
import threading
import time

import cluster
from frame import MIB, OverCeph
from lib import libnbd
from lib.libnbd import nbd

KILLS = int(os.environ.get("ASHLAR_CEPH_KILLS", "3"))
PATIENCE = 300  # seconds; only a failure takes so long
BLOCK = 4096
EMPTY = bytes(BLOCK)


class Load(threading.Thread):
    """A client that writes and zeroes blocks of its own here and there, and reads them again, until told to end. `wrong`: what was
    not as it had been acknowledged."""

    def __init__(self, uri, begin, size):
        super().__init__(daemon=True)
        self.client, self.begin, self.size, self.dice = libnbd.connect(uri), begin, size, random.Random(begin)
        self.blocks, self.wrong, self.over, self.done = {}, [], threading.Event(), 0

    def run(self):
        try:
            while not self.over.is_set():
                self.step(self.begin + self.dice.randrange(self.size // BLOCK) * BLOCK)
                self.done += 1
            self.client.shutdown()
        except nbd.Error as error:
            self.wrong.append(error.string)

    def step(self, at):
        match self.dice.choice(("read", "read", "write", "write", "zero", "flush")):
            case "read":
                if bytes(self.client.pread(BLOCK, at)) != self.blocks.get(at, EMPTY):
                    self.wrong.append(f"the block at {at}")
            case "write":
                block = self.dice.randbytes(16) * (BLOCK // 16)
                self.client.pwrite(block, at)
                self.blocks[at] = block
            case "zero":
                self.client.zero(BLOCK, at)
                self.blocks[at] = EMPTY
            case "flush":
                self.client.flush()


class Loads(OverCeph):
    """Several, each with a part of the image."""

    LOADS, PART = 3, 16 * MIB

    def begin(self, servers):
        """One client for each of `servers`."""
        self.loads = [Load(server.uri("disk"), n * self.PART, self.PART) for n, server in enumerate(servers)]
        for load in self.loads:
            self.addCleanup(load.over.set)
            load.start()

    def work(self, what, requests=20):
        """Until each has gone on for a while."""
        before = [load.done for load in self.loads]
        end = time.monotonic() + PATIENCE
        while not all(load.done > then + requests or load.wrong for load, then in zip(self.loads, before)):
            self.assertLess(time.monotonic(), end, f"the load goes on {what}")
            time.sleep(0.01)

    def assert_right(self, image):
        """All end; what they know is what Ceph itself has."""
        for load in self.loads:
            load.over.set()
        for load in self.loads:
            load.join(PATIENCE)
        self.assertEqual([load.wrong for load in self.loads], [[]] * self.LOADS)
        content = self.ceph.export(image)
        for load in self.loads:
            for at in range(load.begin, load.begin + load.size, BLOCK):
                self.assert_same(content[at:at + BLOCK], load.blocks.get(at, EMPTY), f"the block at {at}")


class Kills(Loads):
    def cluster(self):
        own = cluster.Cluster(store=cluster.DISK)
        self.addCleanup(own.stop)
        return own

    def kill(self, *some):
        for which in some:
            self.ceph.kill(which)
        for which in some:
            self.ceph.start(which)
        self.ceph.wait_until_up()

    def test_no_byte_is_wrong(self):
        image = self.image(f"{self.LOADS * self.PART}B")
        self.server = self.serve([self.export(image, timeout=f"{PATIENCE}s")])
        self.begin([self.server] * self.LOADS)
        dice = random.Random(KILLS)
        kills = 0
        while kills < KILLS and not any(load.wrong for load in self.loads):
            self.work(f"behind {kills} kills")
            time.sleep(dice.random() * 0.05)  # anywhere in their work
            self.kill(*(("osd",), ("mon",), ("mon", "osd"))[kills % 3])
            kills += 1
        self.work("at the end")
        self.assert_right(image)
        print(f"{kills} kills, {sum(load.done for load in self.loads)} requests", file=sys.stderr)


class Fight(Loads):
    def cluster(self):
        own = cluster.Cluster(watch=60)  # a busy machine may keep one from being heard of for long
        self.addCleanup(own.stop)
        return own

    def test_no_byte_is_wrong(self):
        """Each server writes, so each takes the lock from the others, again and again."""
        image = self.image(f"{self.LOADS * self.PART}B")
        self.begin([self.serve([self.export(image)]) for _ in range(self.LOADS)])
        owners = set()
        for _ in range(10):
            self.work("while they fight")
            owners.add(self.ceph.lock_owner(image))
        self.assertGreater(len(owners - {None}), 1)
        self.assert_right(image)

    def test_one_comes_that_keeps_the_lock(self):
        """It gets it from those who write, who wait then, and go on when it has gone."""
        image = self.image(f"{self.LOADS * self.PART + MIB}B")
        servers = [self.serve([self.export(image, timeout=f"{PATIENCE}s")]) for _ in range(self.LOADS)]
        keeper = self.serve([self.export(image, exclusive_lock="require", timeout=f"{PATIENCE}s")])

        def times_told():
            return [server.log().count("keeps it: writes wait") for server in servers]

        self.begin(servers)
        for _ in range(3):
            self.work("while nobody keeps the lock")
            before = times_told()
            client = libnbd.connect(keeper.uri("disk"))
            client.pwrite(b"kept", self.LOADS * self.PART)
            self.wait_until("all wait", lambda: all(now > then for now, then in zip(times_told(), before)))
            client.shutdown()
        self.work("at the end")
        self.assert_right(image)
