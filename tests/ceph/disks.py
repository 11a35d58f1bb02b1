"""Disks in Ceph by the plugin rbd: what is read and written, told of holes, snapshots, sizes."""

import json
import os
import random
import subprocess
import threading

from frame import MIB, OBJECT, PATIENCE, OverCeph
from lib import config, libnbd, processes
from lib.libnbd import nbd
from lib.processes import run
from lib.server import PROGRAM

CHECK, MODULE = os.environ["ASHLAR_CHECK"], os.environ["ASHLAR_RBD"]
HOLE = 3  # NBD_STATE_HOLE | NBD_STATE_ZERO


def data_of(client):
    """[(offset, length), …] of what is told of as data."""
    found, at, size = [], 0, client.get_size()
    while at < size:
        for length, state in libnbd.extents(client, min(size - at, 1 << 31), at):
            if state != HOLE:
                if found and sum(found[-1]) == at:
                    found[-1] = (found[-1][0], found[-1][1] + length)
                else:
                    found.append((at, length))
            at += length
    return found


KEY = "AQAsRr5nAAAAABAAPvqmCSdDMTIX6ZdpcPJMHQ=="


class Disks(OverCeph):
    def test_random_requests(self):
        """Each answer is compared with a plain copy; at the end what Ceph itself has, and its own list of objects."""
        image, size = self.image(f"{24 * MIB + 1000}B"), 24 * MIB + 1000
        for cache in (False, True):
            with self.subTest(cache=cache):
                self.server = self.serve([self.export(image, cache=cache)])
                content = bytearray(self.ceph.export(image))
                clients = [self.connect() for _ in range(2)]
                self.assertTrue(clients[0].can_multi_conn())
                dice = random.Random(16)
                for _ in range(1500):
                    self.step(dice, clients[dice.randrange(2)], content, size)
                clients[0].flush()
                self.assert_same(self.ceph.export(image), bytes(content), "what rbd export has")
                self.server.stop()

    def step(self, dice, client, content, size):
        length = min(size, dice.choice((1, 512, 4096, 65536, dice.randrange(1, 6 * MIB))))
        at = dice.randrange(size - length + 1)
        fua = nbd.CMD_FLAG_FUA if dice.random() < 0.05 else 0
        match dice.choice(("read", "read", "write", "write", "zero", "thick", "trim", "extents")):
            case "read":
                self.assert_same(bytes(client.pread(length, at)), bytes(content[at:at + length]), f"{length}@{at}")
            case "write":
                content[at:at + length] = dice.randbytes(length)
                client.pwrite(bytes(content[at:at + length]), at, fua)
            case "zero":
                client.zero(length, at, fua)
                content[at:at + length] = bytes(length)
            case "thick":
                client.zero(length, at, fua | nbd.CMD_FLAG_NO_HOLE)
                content[at:at + length] = bytes(length)
            case "trim":
                client.trim(length, at, fua)
                content[at:at + length] = client.pread(length, at)
            case "extents":
                for part, state in libnbd.extents(client, length, at):
                    part = min(part, size - at)
                    if state == HOLE:
                        self.assertEqual(content[at:at + part].count(0), part, f"a hole of {part}@{at}")
                    at += part

    def test_clients(self):
        image = self.image("32M")
        source = self.folder / "source.img"
        source.write_bytes(random.Random(1).randbytes(10 * MIB) + bytes(22 * MIB))
        self.server = self.serve([self.export(image)], sandbox="require")
        run("nbdcopy", "--flush", source, self.server.uri("disk"))
        self.assert_same(self.ceph.export(image), source.read_bytes(), "what rbd export has")
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", self.server.uri("disk"), source)
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-t", "writeback", source, self.server.uri("disk"))
        self.assert_same(self.ceph.export(image), source.read_bytes(), "what rbd export has")
        run("fio", "--name=verify", "--ioengine=nbd", f"--uri={self.server.uri('disk')}", "--rw=randwrite", "--bsrange=512-64k",
            "--bs_unaligned=0", "--blockalign=512", "--iodepth=16", "--size=16m", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1",
            "--verify_state_save=0")

    def test_maps(self):
        """What is told of is what Ceph itself has, also behind writes, trims and zeroes."""
        image = self.image("200G")
        self.server = self.serve([self.export(image)])
        client = self.connect()
        self.assertEqual(data_of(client), [])
        places = [0, 5 * OBJECT, 6 * OBJECT, (100 << 30) + 7, (200 << 30) - 1]
        for place in places:
            client.pwrite(b"x", place)
            self.assertIn(place // OBJECT, {n for at, length in data_of(client) for n in range(at // OBJECT, (at + length) // OBJECT)})
        self.assertEqual(data_of(client), self.ceph.diff(image))
        client.trim(OBJECT, 5 * OBJECT)
        client.zero(OBJECT, (200 << 30) - OBJECT)
        self.assertEqual(data_of(client), [(0, OBJECT), (6 * OBJECT, OBJECT), ((100 << 30), OBJECT)])
        self.assertEqual(data_of(client), self.ceph.diff(image))
        self.assertEqual(libnbd.extents(client, 4 * MIB, 5 * OBJECT + 1000), [(3 * MIB + MIB - 1000, HOLE), (1000, 0)])
        written = run("nbdinfo", "--map", self.server.uri("disk"))
        self.assertEqual([(int(row.split()[0]), int(row.split()[1])) for row in written.splitlines() if "data" in row], data_of(client))

    def test_what_others_write_is_in_the_map(self):
        """Who only reads has no lock, and must not keep what it was told."""
        image = self.image()
        self.server = self.serve([self.export(image), self.export(image, "reader", read_only=True)])
        writer, reader = self.connect(), self.connect("reader")
        for n in range(5):
            writer.pwrite(b"x", n * OBJECT)
            self.assertEqual(data_of(reader), [(0, (n + 1) * OBJECT)])

    def test_a_cache_hides_no_data_from_the_map(self):
        image = self.image()
        late = ["rbd_cache_policy=writeback", "rbd_cache_max_dirty_age=3600"]
        self.server = self.serve([self.export(image, cache=True, options=late)])
        client = self.connect()
        client.pwrite(b"x", 0)
        client.flush()  # from then on librbd caches
        for n in range(5):
            client.pwrite(b"x" * 512, n * OBJECT)
            for _ in range(40):  # when nothing has changed, the map is kept at last
                self.assertEqual(data_of(client), [(0, (n + 1) * OBJECT)])

    def test_an_image_that_is_being_moved_has_its_bytes(self):
        """They are still those of the image that it is made of, of which its own map says nothing."""
        source = self.image()
        self.server = self.serve([self.export(source)])
        client = self.connect()
        client.pwrite(b"x" * 9 * MIB, 0)
        client.shutdown()
        self.server.stop()
        target = f"{source}-moved"
        self.ceph.rbd("migration", "prepare", source, target)
        self.server = self.serve([self.export(target)])
        client = self.connect()
        self.assertEqual(data_of(client), [(0, 64 * MIB)])
        self.assertEqual(bytes(client.pread(9 * MIB, 0)), b"x" * 9 * MIB)
        client.shutdown()
        self.server.stop()
        self.ceph.rbd("migration", "execute", target)
        self.ceph.rbd("migration", "commit", target)
        self.server = self.serve([self.export(target)])
        self.assertEqual(data_of(self.connect()), [(0, 12 * MIB)])

    def test_a_map_that_others_make_anew_is_not_believed_before_it_is_whole(self):
        image = self.image()
        self.server = self.serve([self.export(image)])
        client = self.connect()
        client.pwrite(b"x" * 9 * MIB, 0)
        client.flush()
        over = threading.Event()

        def make_anew():
            try:
                for _ in range(10):
                    self.ceph.rbd("feature", "disable", image, "fast-diff", "object-map")
                    self.ceph.rbd("feature", "enable", image, "object-map", "fast-diff")
                    self.ceph.rbd("object-map", "rebuild", image)
            finally:
                over.set()

        other = threading.Thread(target=make_anew)
        other.start()
        told = set()
        while not over.is_set():
            told.update(state for _, state in libnbd.extents(client, 9 * MIB, 0))
        other.join()
        self.assertEqual(told, {0})
        self.assertEqual(data_of(client), [(0, 12 * MIB)])

    def test_provisioned_zeroes(self):
        image = self.image()
        self.server = self.serve([self.export(image)])
        client = self.connect()
        client.zero(3 * OBJECT, 1000, nbd.CMD_FLAG_NO_HOLE)
        self.assertEqual(data_of(client), [(0, 4 * OBJECT)])
        self.assertEqual(client.pread(4 * OBJECT, 0), bytes(4 * OBJECT))
        client.zero(4 * OBJECT, 0)
        self.assertEqual(data_of(client), [])

    def test_images_without_an_object_map_are_all_data(self):
        parent = self.image()
        self.ceph.rbd("snap", "create", f"{parent}@s")
        self.ceph.rbd("snap", "protect", f"{parent}@s")
        self.ceph.rbd("clone", f"{parent}@s", f"{parent}-clone")
        plain = self.image("64M", "--image-feature", "layering")
        striped = self.image("64M", "--stripe-unit", "64K", "--stripe-count", "4")
        self.server = self.serve([self.export(name, name) for name in (f"{parent}-clone", plain, striped)])
        for name in (f"{parent}-clone", plain, striped):
            client = self.connect(name)
            self.assertEqual(data_of(client), [(0, 64 * MIB)], name)
            client.pwrite(b"x" * 300_000, 100_000)
            self.assertEqual(bytes(client.pread(300_001, 100_000)), b"x" * 300_000 + b"\0")

    def test_snapshots(self):
        image = self.image()
        self.server = self.serve([self.export(image)])
        client = self.connect()
        client.pwrite(b"before", OBJECT)
        self.ceph.rbd("snap", "create", f"{image}@then")
        client.pwrite(b"behind", OBJECT)
        client.pwrite(b"behind", 2 * OBJECT)
        self.assertEqual(data_of(client), [(OBJECT, 2 * OBJECT)])
        past = self.serve([self.export(image, snapshot="then")])
        old = self.connect(server=past)
        self.assertTrue(old.is_read_only())
        self.assertEqual(bytes(old.pread(6, OBJECT)), b"before")
        self.assertEqual(data_of(old), [(OBJECT, OBJECT)])
        self.assertEqual(data_of(old), self.ceph.diff(f"{image}@then"))

    def test_a_snapshot_that_is_removed(self):
        """Ceph has zeroes and the bytes of now in its place: each answer is the snapshot's, or an error."""
        image = self.image()
        self.server = self.serve([self.export(image), self.export(image, "past", snapshot="then", optional=True)])
        client = self.connect()
        for place in (OBJECT, 2 * OBJECT):
            client.pwrite(b"before", place)
        self.ceph.rbd("snap", "create", f"{image}@then")
        client.pwrite(b"behind", OBJECT)
        old = self.connect("past")
        self.assertEqual(data_of(old), [(OBJECT, 2 * OBJECT)])
        removal = processes.start(["rbd", "-c", str(self.ceph.conf), "snap", "rm", "--no-progress", f"{image}@then"])
        self.addCleanup(removal.wait)
        self.addCleanup(removal.kill)
        asks = [lambda place=place: self.assertEqual(bytes(old.pread(6, place)), b"before") for place in (OBJECT, 2 * OBJECT)]
        self.wait_until("reads fail", lambda: any(self.fails(ask) for ask in asks))
        self.assertEqual(removal.wait(PATIENCE), 0)
        client.pwrite(b"behind", OBJECT)
        for ask in (*asks, lambda: libnbd.extents(old, 4 * MIB, 0), lambda: self.connect("past")):
            self.assertTrue(self.fails(ask))
        self.wait_for_log(f"rbd/{image}@then: the snapshot has been removed")
        self.ceph.rbd("snap", "create", f"{image}@then")  # another one
        self.assertEqual(bytes(self.connect("past").pread(6, OBJECT)), b"behind")
        self.assertTrue(all(self.fails(ask) for ask in asks))

    def test_a_snapshot_with_a_long_name(self):
        """Which it is given while it is read; Ceph knows no longest one."""
        image = self.image()
        self.server = self.serve([self.export(image), self.export(image, "past", snapshot="then", optional=True)])
        self.connect().pwrite(b"before", OBJECT)
        self.ceph.rbd("snap", "create", f"{image}@then")
        old = self.connect("past")
        self.ceph.rbd("snap", "rename", f"{image}@then", f"{image}@{'n' * 20000}")
        self.assertEqual(bytes(old.pread(6, OBJECT)), b"before")
        self.assertEqual(data_of(self.connect("past")), [(OBJECT, OBJECT)])

    def test_a_client_that_comes_when_the_snapshot_is_removed(self):
        image = self.image()
        self.ceph.rbd("snap", "create", f"{image}@then")
        self.server = self.serve([self.export(image, snapshot="then")])
        self.connect()
        self.ceph.rbd("snap", "rm", "--no-progress", f"{image}@then")
        self.assertTrue(self.fails(self.connect))

    def fails(self, ask):
        try:
            ask()
            return False
        except nbd.Error:
            return True

    def test_namespaces_and_templates(self):
        self.ceph.rbd("namespace", "create", "rbd/tenant")
        self.ceph.create("rbd/tenant/vm-one.img", "8M")
        self.ceph.create("rbd/tenant/vm-two.img", "9M")
        self.ceph.create("rbd/tenant/other", "10M")
        self.server = self.serve([self.export("vm-*.img", "vm/*", namespace="tenant"), self.export("other", namespace="tenant")])
        listed = json.loads(run("nbdinfo", "--list", "--json", self.server.uri()))["exports"]
        self.assertEqual({one["export-name"]: one["export-size"] for one in listed},
                         {"vm/one": 8 * MIB, "vm/two": 9 * MIB, "disk": 10 * MIB})
        self.connect("vm/one").pwrite(b"one", 0)
        self.assert_same(self.ceph.export("rbd/tenant/vm-one.img")[:3], b"one")
        with self.assertRaises(nbd.Error):
            self.connect("vm/none")

    def test_sizes_that_change(self):
        image = self.image("16M")
        self.server = self.serve([self.export(image)])
        before = self.connect()
        before.pwrite(b"x" * 4096, 0)
        self.ceph.rbd("resize", "--size", "32M", image)
        self.wait_for_log(f"rbd/{image} has {32 * MIB} bytes now and had {16 * MIB}")
        self.assertEqual(self.connect().get_size(), 32 * MIB)
        self.assertEqual((before.get_size(), bytes(before.pread(1, 0))), (16 * MIB, b"x"))
        self.ceph.rbd("resize", "--size", "8M", "--allow-shrink", image)
        self.wait_for_log(f"rbd/{image} has {8 * MIB} bytes now and had {32 * MIB}")
        for ask in (lambda: before.pwrite(b"x" * 4096, 8 * MIB - 2048), lambda: before.pread(4096, 8 * MIB - 2048),
                    lambda: before.zero(4096, 12 * MIB)):
            with self.assertRaises(nbd.Error):
                ask()
        self.assertEqual(self.connect().get_size(), 8 * MIB)

    def test_probe(self):
        image = self.image()
        self.ceph.rbd("feature", "disable", image, "fast-diff", "object-map")
        told = run("env", f"CEPH_CONF={self.ceph.conf}", PROGRAM, "probe", "--plugin", "rbd", f"rbd/{image}")
        self.assertIn(f"RBD image rbd/{image}, {64 * MIB} bytes in objects of {OBJECT}", told)
        self.assertRegex(told, r"exclusive_lock +yes")
        self.assertRegex(told, r"object_map +no")
        self.assertRegex(told, r"extents +no")


class Mistakes(OverCeph):
    def test_each_names_its_parameter(self):
        image = self.image("8M", "--image-feature", "layering")
        locked, own, off = (self.image("8M") for _ in range(3))
        self.ceph.rbd("config", "image", "set", own, "rbd_disable_zero_copy_writes", "false")
        self.ceph.rbd("image-meta", "set", off, "conf_rbd_disable_zero_copy_writes", "0")
        for more, said in (({"image": "nowhere"}, ":[0-9]+:[0-9]+: .*image.*rbd/nowhere: there is no such image"),
                           ({"pool": "puddle"}, 'pool.*the pool "puddle" is not there'),
                           ({"namespace": "none"}, 'namespace.*"none" of the pool "rbd" is not there'),
                           ({"snapshot": "never"}, f"snapshot.*{image}@never: the image has no such snapshot"),
                           ({"conf": "/nowhere.conf"}, "conf.*/nowhere.conf cannot be read"),
                           ({"image": "a/b"}, "image.*has a / or @"),
                           ({"user": "client.admin"}, 'user.*leave client. out; write "admin"'),
                           ({"timeout": "1d"}, "timeout.*is no time of 1s to 3600s"),
                           ({"timeout": "2h"}, 'timeout.*is no time of 1s to 3600s; write "30s" or "120s"'),
                           ({"image": "a*"}, 'image.*"a\\*" has a \\*, which stands for a name in a template alone'),
                           ({"key": "secret"}, "key.*is none of Ceph's; `ceph auth get-key client.admin` prints it"),
                           ({"key": KEY[:-4]}, "key.*is none of Ceph's"),
                           ({"key": KEY[:13] + "C" + KEY[14:]}, "key.*is none of Ceph's"),
                           ({"options": ["nonsense"]}, '"nonsense" is not "name=value"'),
                           ({"options": ["no_such_option=1"]}, "no_such_option=1: Ceph has no such option"),
                           ({"options": ["osd_heartbeat_grace=x"]}, "osd_heartbeat_grace=x: Ceph refuses it"),
                           ({"options": ["rbd_cache=true"]}, "rbd_cache is no option for this list"),
                           ({"options": ["rbd_disable_zero_copy_writes=false"]}, "copy_writes is no option for this list"),
                           ({"image": own}, f"image.*write: rbd config image set rbd/{own} rbd_disable_zero_copy_writes true"),
                           ({"image": off}, f"image.*write: rbd config image set rbd/{off} rbd_disable_zero_copy_writes true"),
                           ({"exclusive_lock": "require"}, f"exclusive_lock.*rbd feature enable rbd/{image} exclusive-lock"),
                           ({"exclusive_lock": "require", "read_only": True}, "exclusive_lock.*is only read"),
                           ({"image": locked, "exclusive_lock": "off"}, f"exclusive_lock.*rbd feature disable rbd/{locked}")):
            with self.subTest(**more):
                self.assertRegex(self.refused(self.export(**{"image": image, **more})), said)

    def test_an_option_of_an_image_is_read_as_ceph_reads_it(self):
        for value in ("true", "TRUE", "1"):
            image = self.image("8M")
            self.ceph.rbd("image-meta", "set", image, "conf_rbd_disable_zero_copy_writes", value)
            self.connect(server=self.serve([self.export(image)])).pwrite(b"x", 0)

    def test_a_configuration_that_the_environment_names(self):
        one = self.export(self.image("8M"))
        del one["plugin"]["conf"]
        file = self.write("environment.toml", config.toml([one]))
        for path, code, said in ((self.ceph.conf, 0, "disk"),
                                 (self.ceph.conf.with_name("$cluster.conf"), 0, "disk"),
                                 ("/nowhere.conf", 2, "conf.*CEPH_CONF = /nowhere.conf cannot be read: No such")):
            done = run("env", f"CEPH_CONF={path}", PROGRAM, "check", file, ok=False)
            self.assertEqual(done.returncode, code, done.stdout)
            self.assertRegex(done.stdout, said)
        # The sandbox does not know what is in the environment.
        for sandbox, said in (({"mode": "require", "read": [str(self.ceph.folder)]}, None),
                              ("require", "cannot be read: Permission denied")):
            server = self.serve([{**one, "optional": True}], sandbox=sandbox, environment={"CEPH_CONF": str(self.ceph.conf)})
            if said is None:
                self.assertEqual(self.connect(server=server).get_size(), 8 * MIB)
            else:
                with self.assertRaises(nbd.Error):
                    self.connect(server=server)
                self.wait_for_log(said, server)

    def test_options_and_a_key(self):
        """An option goes before the configuration: here it says where the cluster is, in a file that does not."""
        image = self.image("8M")
        empty = self.write("empty.conf", "[global]\nauth client required = none\n")
        secret = self.write("key", KEY)
        self.server = self.serve([self.export(image, conf=str(empty), options=[f"mon_host=v1:127.0.0.1:{self.ceph.port}"],
                                              user="someone", key={"file": str(secret)})])
        self.assertEqual(self.connect().get_size(), 8 * MIB)
        self.assertNotIn("AQAsRr5n", self.server.log())


class Promises(OverCeph):
    def test_ashlar_check(self):
        # All but sequences, which open it so often that a slow machine needs more than their minute; Disks has the like.
        checks = "[a-r]*,se[a-p]*,sl*,symbols,sa*,[t-z]*"
        image = self.image("3000000B")
        done = subprocess.run([CHECK, "--only", checks, "--write", MODULE, f"image={image}", f"conf={self.ceph.conf}"],
                              capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
