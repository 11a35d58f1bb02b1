"""Two servers before one image: who writes, who takes over; and what the README of the plugin tells to type."""

import contextlib
import os
import pathlib
import random
import re
import subprocess

from frame import MIB, OBJECT, PATIENCE, OverCeph
from lib import libnbd, processes
from lib.libnbd import nbd
from lib.processes import run
from lib.server import PROGRAM

README = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "rbd" / "README.md"


class Doors(OverCeph):
    def dies(self, server):
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()
        server.stopped = True
        os.unlink(server.socket)


class Locks(Doors):
    def two(self, image, **more):
        return self.serve([self.export(image, **more)]), self.serve([self.export(image, **more)])

    def has_failed(self, client, cookie):
        """With which error."""
        def is_answered():
            if client.aio_command_completed(cookie):
                return True
            client.poll(10)
            return False

        with self.assertRaises(nbd.Error) as failed:
            self.wait_until("the request is answered", is_answered)
        return failed.exception.errno

    def test_who_writes_gets_the_lock(self):
        """Handed over between requests: nothing is lost."""
        image = self.image()
        one, other = (self.connect(server=server) for server in self.two(image))
        owners = set()
        for n in range(6):
            (one, other)[n % 2].pwrite(bytes([n]) * 4096, 4096 * (n % 4))
            owners.add(self.ceph.lock_owner(image))
            self.assertEqual(bytes((other, one)[n % 2].pread(4096, 4096 * (n % 4))), bytes([n]) * 4096)
        self.assertEqual(len(owners), 2)
        self.assert_same(self.ceph.export(image)[:4 * 4096], b"".join(bytes([n]) * 4096 for n in (4, 5, 2, 3)))

    def test_a_lock_that_is_required_is_kept(self):
        image = self.image()
        first, second = self.two(image, exclusive_lock="require")
        self.assertIsNone(self.ceph.lock_owner(image))
        client = self.connect(server=first)
        client.pwrite(b"first", 0)
        with self.assertRaises(nbd.Error):
            self.connect(server=second)
        self.wait_for_log("its exclusive lock is not to be had: it is held by another", second)
        self.server = self.serve([self.export(image, timeout="5s")])  # which would take it in turn
        late = self.connect()
        asked = [late.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b"third")), 0), late.aio_zero(4096, 0), late.aio_trim(OBJECT, 0)]
        for one in asked:
            self.has_failed(late, one)
        self.wait_for_log("another holds the exclusive lock and keeps it: nothing can be written")
        self.assertEqual(bytes(client.pread(5, 0)), b"first")
        client.shutdown()
        self.wait_until("the lock is given up", lambda: self.ceph.lock_owner(image) is None)
        again = self.connect(server=second)
        again.pwrite(b"second", 0)
        again.shutdown()
        self.wait_until("the lock is given up", lambda: self.ceph.lock_owner(image) is None)
        late.pwrite(b"third", 4096)
        content = self.ceph.export(image)
        self.assertEqual((content[:6], content[4096:4101]), (b"second", b"third"))

    def kept(self, **more):
        """An image whose lock a client keeps; that client, and one of another server, which takes turns."""
        image = self.image()
        self.keeper = self.serve([self.export(image, exclusive_lock="require")])
        client = self.connect(server=self.keeper)
        client.pwrite(b"kept", 0)
        self.server = self.serve([self.export(image, **more)])
        return image, client, self.connect()

    def ask_in_vain(self, client):
        """Writes that wait for the lock: their cookies."""
        cookies = [client.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([1 + n]) * 4096), 4096 * n) for n in range(8)]
        cookies += [client.aio_zero(4096, 16 * 4096), client.aio_trim(OBJECT, OBJECT)]
        self.wait_for_log("holds the exclusive lock and keeps it: writes wait")
        return cookies

    def test_writes_that_wait_for_the_lock_go_on_when_it_is_free(self):
        image, keeper, client = self.kept(timeout="3600s")
        cookies = self.ask_in_vain(client)
        self.assertEqual(self.ceph.export(image)[:4], b"kept")
        keeper.shutdown()
        while client.aio_in_flight():
            client.poll(-1)
        for cookie in cookies:
            self.assertTrue(client.aio_command_completed(cookie))
        client.flush()
        self.assertEqual(self.ceph.export(image)[:8 * 4096], b"".join(bytes([1 + n]) * 4096 for n in range(8)))

    def test_each_time_that_the_lock_is_kept_is_told_of(self):
        """Also where writes failed meanwhile."""
        image, keeper, client = self.kept(timeout="5s")
        for times in (1, 2):
            with self.assertRaises(nbd.Error):
                client.pwrite(b"in vain", 0)
            for text in ("keeps it: writes wait", "keeps it: nothing can be written"):
                self.wait_until(f"the log tells {times} times: {text}", lambda: self.server.log().count(text) == times)
            keeper.shutdown()
            self.wait_until("the lock is given up", lambda: self.ceph.lock_owner(image) is None)
            client.pwrite(b"let in", 0)
            keeper = self.connect(server=self.keeper)

    def test_a_flush_does_not_wait_for_a_lock_that_was_handed_over(self):
        """Whoever hands it over has flushed before."""
        image = self.image()
        late = ["rbd_cache_policy=writeback", "rbd_cache_max_dirty_age=3600"]
        for cache, content in ((False, b"durable"), (True, b"flushed")):
            with self.subTest(cache=cache):
                self.server = self.serve([self.export(image, cache=cache, options=late, timeout="3600s")])
                client = self.connect()
                client.pwrite(b"x", 0)
                client.flush()  # from then on librbd caches
                client.pwrite(content, 0)
                keeper = self.connect(server=self.serve([self.export(image, exclusive_lock="require")]))
                self.assertIsNotNone(self.ceph.lock_owner(image))
                waits = client.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b"waiting")), 4096)
                self.wait_for_log("keeps it: writes wait")
                client.flush()
                self.assertEqual(libnbd.extents(client, OBJECT, OBJECT), [(OBJECT, nbd.STATE_HOLE | nbd.STATE_ZERO)])
                self.assertFalse(client.aio_command_completed(waits))
                self.assertEqual(self.ceph.export(image)[:4100], content + bytes(4093))
                self.server.stop()
                keeper.shutdown()
                self.wait_until("the lock is given up", lambda: self.ceph.lock_owner(image) is None)

    def test_a_write_that_waits_and_ends_behind_the_end_of_an_image_that_becomes_smaller_fails(self):
        image, keeper, client = self.kept(timeout="3600s")
        within, over = (client.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b"late")), at) for at in (4096, 8 * MIB - 2))
        self.wait_for_log("keeps it: writes wait")
        self.ceph.rbd("resize", "--size", "8M", "--allow-shrink", "--no-progress", image)
        self.wait_for_log(f"rbd/{image} has {8 * MIB} bytes now")
        self.assertEqual(self.has_failed(client, over), "ENOSPC")
        keeper.shutdown()
        while not client.aio_command_completed(within):
            client.poll(-1)

    def test_an_image_of_a_mirror_that_is_not_primary(self):
        """It is refused as if another kept the lock; who would wait for that waits in vain."""
        image = self.image()
        self.ceph.rbd("mirror", "pool", "enable", "rbd", "image")
        self.addCleanup(self.ceph.rbd, "mirror", "pool", "disable", "rbd")
        self.ceph.rbd("mirror", "image", "enable", image, "snapshot")
        self.addCleanup(self.ceph.rbd, "mirror", "image", "disable", "--force", image)
        self.server = self.serve([self.export(image, timeout="3600s"), self.export(image, "keeper", exclusive_lock="require")])
        client = self.connect()
        client.pwrite(b"primary", 0)
        self.ceph.rbd("mirror", "image", "demote", image)
        for ask in (lambda: client.pwrite(b"refused", 0), lambda: client.zero(4096, 0), lambda: client.trim(OBJECT, 0)):
            with self.assertRaises(nbd.Error) as failed:
                ask()
            self.assertEqual(failed.exception.errno, "EPERM")
        self.wait_for_log("not the primary one, so only its mirror writes to it: nothing can be written")
        client.flush()
        with self.assertRaises(nbd.Error):
            self.connect("keeper")
        self.wait_for_log("its exclusive lock is not to be had: the image is mirrored and not the primary one")
        self.ceph.rbd("mirror", "image", "promote", image)

        def is_written():
            with contextlib.suppress(nbd.Error):  # until librbd knows
                client.pwrite(b"again", 0)
                return True

        self.wait_until("it is written to again", is_written)
        self.assertEqual(self.ceph.export(image)[:7], b"againry")

    def test_a_server_whose_writes_wait_for_the_lock_ends(self):
        """In order: it closes the image."""
        image, keeper, client = self.kept(timeout="3600s")
        self.ask_in_vain(client)
        self.server.stop()
        self.assertEqual(self.ceph.export(image)[:4], b"kept")

    def test_who_only_reads_does_without_the_lock(self):
        _, _, client = self.kept()
        self.assertEqual(bytes(client.pread(4, 0)), b"kept")
        self.assertEqual(libnbd.extents(client, 2 * OBJECT, 0), [(OBJECT, 0), (OBJECT, nbd.STATE_HOLE | nbd.STATE_ZERO)])
        client.flush()

    def break_lock(self, image):
        locker = re.search(r"(client\.\d+)\s+(auto \d+)", self.ceph.rbd("lock", "ls", image))
        self.ceph.rbd("lock", "rm", image, locker.group(2), locker.group(1))

    def test_a_lock_that_is_taken_by_force(self):
        """The clients of who has lost it fail from then on, and those that come anew are served."""
        image = self.image()
        self.server = self.serve([self.export(image, exclusive_lock="require")])
        client = self.connect()
        client.pwrite(b"mine", 0)
        self.break_lock(image)
        self.ceph.rbd("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "4K", image)
        for ask in (lambda: client.pwrite(b"late", 0), lambda: client.pread(4, 0), client.flush):
            with self.assertRaises(nbd.Error):
                ask()
        self.wait_for_log("another has taken the image from this server by force")
        self.assertNotEqual(self.ceph.export(image)[:4], b"late")
        again = self.connect()
        again.pwrite(b"anew", 0)
        with self.assertRaises(nbd.Error):
            client.pread(4, 0)
        self.assertEqual(bytes(again.pread(4, 0)), b"anew")

    def test_a_flush_of_what_was_lost_with_the_lock_fails(self):
        """It was not handed over: what was in the cache is nowhere, and another keeps the lock."""
        image = self.image()
        late = ["rbd_cache_policy=writeback", "rbd_cache_max_dirty_age=3600"]
        self.server = self.serve([self.export(image, cache=True, options=late)])
        client = self.connect()
        client.pwrite(b"flushed", 0)
        client.flush()  # from then on librbd caches
        client.pwrite(b"cached", 0)
        self.break_lock(image)
        self.connect(server=self.serve([self.export(image, exclusive_lock="require")])).pwrite(b"kept", 4096)
        with self.assertRaises(nbd.Error):
            client.flush()
        self.assertEqual(self.ceph.export(image)[:7], b"flushed")


class Takeover(Doors):
    def test_a_client_goes_on_when_its_server_dies(self):
        """Both are there; the name that clients know leads to the one, then to the other."""
        image, source = self.image("32M"), self.folder / "source.img"
        source.write_bytes(random.Random(3).randbytes(32 * MIB))
        one, other = self.serve([self.export(image)]), self.serve([self.export(image)])
        way = self.folder / "way.sock"
        way.symlink_to(one.socket)
        target = f"driver=nbd,server.type=unix,server.path={way},export=disk,reconnect-delay={PATIENCE}"
        copy = processes.start(["qemu-img", "convert", "-n", "-r", "8M", "-f", "raw", "--target-image-opts", source, target],
                               stdin=subprocess.DEVNULL)
        self.addCleanup(copy.wait)
        self.addCleanup(copy.kill)
        self.wait_until("a part is there", lambda: len(self.ceph.diff(image)) > 0 and self.ceph.diff(image)[0][1] >= 8 * MIB)
        self.dies(one)
        (self.folder / "new.sock").symlink_to(other.socket)
        (self.folder / "new.sock").rename(way)
        self.assertEqual(copy.wait(PATIENCE), 0)
        self.assert_same(self.ceph.export(image), source.read_bytes(), "what rbd export has")
        self.assertIn('opened export "disk"', other.log())


class Recipes(OverCeph):
    def test_a_disk_comes_to_ceph(self):
        """As the README has it, with paths and names of this test's."""
        config, commands = re.findall(r"```(?:toml|sh)\n(.*?)```", README.read_text().split("### A disk comes to Ceph")[1], re.DOTALL)[:2]
        (self.folder / "vm1.img").write_bytes(random.Random(4).randbytes(5 * MIB) + bytes(59 * MIB))
        control = self.folder / "run"
        control.mkdir()
        told = {"/srv/vm1.img": str(self.folder / "vm1.img"), "/run/ashlar": str(control), "/etc/ceph/ceph.conf": str(self.ceph.conf)}
        for old, new in told.items():
            self.assertIn(old, config + commands)
            config, commands = config.replace(old, new), commands.replace(old, new)
        self.serve_words([self.write("move.toml", config)])
        run("env", f"CEPH_CONF={self.ceph.conf}", "sh", "-ec", commands)
        self.assert_same(self.ceph.export("vm1"), (self.folder / "vm1.img").read_bytes(), "what rbd export has")
        self.assertEqual(self.ceph.diff("vm1"), [(0, 8 * MIB)])


    def test_the_example(self):
        """With a program that cannot do it, it says so, too."""
        for program, code in ((PROGRAM, 0), ("/bin/false", 1)):
            done = run("env", f"ASHLAR={program}", README.parents[2] / "examples" / "ceph.sh", ok=False)
            self.assertEqual(done.returncode, code, done.stdout)
            self.assertEqual("All was right." in done.stdout, code == 0)
