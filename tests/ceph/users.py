"""Users of a Ceph that asks who they are: keys in the config, in files and in keyrings, and what those may not who may only read."""

import cluster
from frame import MIB, OverCeph
from lib.libnbd import nbd


class Users(OverCeph):
    @classmethod
    def setUpClass(cls):
        cls.own = cluster.Cluster(auth="cephx")
        cls.addClassCleanup(cls.own.stop)
        cls.writer = cls.own.add_user("client.writer", "mon", "profile rbd", "osd", "profile rbd")
        cls.reader = cls.own.add_user("client.reader", "mon", "profile rbd", "osd", "profile rbd-read-only")

    def cluster(self):
        return self.own

    def setUp(self):
        super().setUp()
        self.image_name = self.image("16M")

    def by(self, user, **more):
        return self.export(self.image_name, more.pop("name", "disk"), user=user, **more)

    def test_who_has_a_key_is_served_as_far_as_it_goes(self):
        secret = self.write("key", self.writer)
        self.server = self.serve([self.by("writer", name="keyring"), self.by("writer", name="text", key=self.writer),
                                  self.by("writer", name="file", key={"file": str(secret)}),
                                  self.by("reader", name="reader", read_only=True)], sandbox="require")
        for number, name in enumerate(("keyring", "text", "file")):
            self.connect(name).pwrite(bytes([1 + number]) * 4096, 4096 * number)
        reader = self.connect("reader")
        self.assertTrue(reader.is_read_only())
        self.assertEqual(bytes(reader.pread(4 * 4096, 0)), b"".join(bytes([n]) * 4096 for n in (1, 2, 3, 0)))
        for key in (self.writer, self.reader):
            self.assertNotIn(key, self.server.log())

    def test_who_has_none_is_refused(self):
        where = r"the cluster \(mon_host = \S+\) refuses client\."
        for one, said in ((self.by("writer", key=self.reader), f'key "key".*{where}writer'),
                          (self.by("nobody", key=self.reader), f'key "key".*{where}nobody'),
                          (self.by("nobody"), "no key of client.nobody, is to be found"),
                          (self.by("reader"), 'key "image".*Operation not permitted; write read_only = true')):
            told = self.refused(one)
            self.assertRegex(told, said)
            self.assertNotIn(self.reader, told)

    def test_who_is_no_longer_known_is_refused_when_he_comes_anew(self):
        self.ceph.add_user("client.leaver", "mon", "profile rbd", "osd", "profile rbd")
        self.server = self.serve([self.by("leaver", timeout="5s")])
        client = self.connect()
        client.pwrite(b"x", 16 * MIB - 1)
        client.shutdown()
        self.wait_for_log('closed export "disk"')
        self.ceph.ceph("auth", "rm", "client.leaver")
        with self.assertRaises(nbd.Error):
            self.connect()
