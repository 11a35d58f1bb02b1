"""The OSD and the monitor are killed and started again while clients work: they see a pause, and no byte is wrong.
ASHLAR_CEPH_KILLS says how often."""

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


class Kills(OverCeph):
    LOADS, PART = 3, 16 * MIB

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

    def work(self, loads, what):
        """Until each has gone on for a while."""
        before = [load.done for load in loads]
        end = time.monotonic() + PATIENCE
        while not all(load.done > then + 20 or load.wrong for load, then in zip(loads, before)):
            self.assertLess(time.monotonic(), end, f"the load goes on {what}")
            time.sleep(0.01)

    def test_no_byte_is_wrong(self):
        image = self.image(f"{self.LOADS * self.PART}B")
        self.server = self.serve([self.export(image, timeout=f"{PATIENCE}s")])
        loads = [Load(self.server.uri("disk"), n * self.PART, self.PART) for n in range(self.LOADS)]
        for load in loads:
            self.addCleanup(load.over.set)
            load.start()
        dice = random.Random(KILLS)
        kills = 0
        while kills < KILLS and not any(load.wrong for load in loads):
            self.work(loads, f"behind {kills} kills")
            time.sleep(dice.random() * 0.05)  # anywhere in their work
            self.kill(*(("osd",), ("mon",), ("mon", "osd"))[kills % 3])
            kills += 1
        self.work(loads, "at the end")
        for load in loads:
            load.over.set()
        for load in loads:
            load.join(PATIENCE)
        self.assertEqual([load.wrong for load in loads], [[]] * self.LOADS)
        content = self.ceph.export(image)
        for load in loads:
            for at in range(load.begin, load.begin + load.size, BLOCK):
                self.assert_same(content[at:at + BLOCK], load.blocks.get(at, EMPTY), f"the block at {at}")
        print(f"{kills} kills, {sum(load.done for load in loads)} requests", file=sys.stderr)
