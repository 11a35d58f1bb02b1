"""The frame of the tests over Ceph: one cluster for all of them, images of their own."""

import contextlib
import itertools

import cluster
from cluster import PATIENCE
from lib import config, libnbd
from lib.case import Case
from lib.libnbd import nbd
from lib.processes import run
from lib.server import PROGRAM

MIB = 1 << 20
OBJECT = 4 * MIB  # how large Ceph makes them
_numbers = itertools.count()


class Shared:
    """The cluster that all tests use; started by the first."""

    _it = None

    @classmethod
    def get(cls):
        cls._it = cls._it or cluster.Cluster()
        return cls._it

    @classmethod
    def stop(cls):
        if cls._it is not None:
            cls._it.stop()
            cls._it = None


class OverCeph(Case):
    def setUp(self):
        super().setUp()
        self.ceph = self.cluster()

    def cluster(self):
        return Shared.get()

    def image(self, size="64M", *more):
        """A new one's name."""
        name = f"image{next(_numbers)}"
        self.ceph.create(name, size, *more)
        return name

    def export(self, image, name="disk", **more):
        own = {key: more.pop(key) for key in ("filters", "optional") if key in more}
        return {"name": name, **own, "plugin": {"type": "rbd", "image": image, "conf": str(self.ceph.conf), **more}}

    def connect(self, name="disk", server=None):
        """A client, which has gone at the end of the test."""
        client = libnbd.connect((server or self.server).uri(name))
        self.addCleanup(self._part, client)
        return client

    def _part(self, client):
        with contextlib.suppress(nbd.Error):  # the server may have gone before
            client.shutdown()

    def refused(self, one):
        """What `ashlar check` says of an export that cannot be opened."""
        file = self.write("refused.toml", config.toml([one]))
        done = run(PROGRAM, "check", file, ok=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stdout

    def wait_for_log(self, text, server=None):
        self.wait_until(f"the log tells: {text}", lambda: text in (server or self.server).log())
