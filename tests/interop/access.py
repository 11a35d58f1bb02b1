"""Who may do what: exports as clients see them that may open some, may only read others, and must not know of the rest."""

import contextlib
import errno
import os
import re

from lib import config, libnbd, wire
from lib.case import Case, main
from lib.images import MIB, pattern
from lib.libnbd import nbd
from lib.processes import run

FLAG_READ_ONLY = 2


@contextlib.contextmanager
def acting_as(uid, gid, groups=()):
    """What connects within is another user's."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


def listed(client):
    """The names that LIST tells a client that has greeted."""
    return [data[4:4 + int.from_bytes(data[:4], "big")].decode() for kind, data in client.option(wire.OPT_LIST) if kind == wire.REP_SERVER]


class OverTcp(Case):
    def everywhere(self, exports, **settings):
        return self.serve(exports, listen=["tcp::0"], **settings)

    def client(self, server, source="127.0.0.1"):
        client = wire.Client(server, kind="tcp", source=source)
        self.addCleanup(client.close)
        client.greet()
        return client

    def names(self, server, source):
        return listed(self.client(server, source))

    def test_clients_are_known_by_their_address(self):
        def one(name, *addresses):
            return config.memory_export("1M", name, allow=[{"address": address} for address in addresses])

        server = self.everywhere([one("host", "127.0.0.2"), one("net", "127.0.0.0/30"), one("v6", "::1"), one("mapped", "::ffff:127.0.0.2"),
                                  one("all v4", "0.0.0.0/0"), one("all v6", "::/0"), one("both", "127.0.0.9", "::1"),
                                  config.memory_export("1M", "everybody")])
        for source, wanted in (("127.0.0.1", ["net", "all v4"]), ("127.0.0.2", ["host", "net", "mapped", "all v4"]),
                               ("127.0.0.4", ["all v4"]), ("127.0.0.9", ["all v4", "both"]), ("::1", ["v6", "all v6", "both"])):
            self.assertEqual(self.names(server, source), [*wanted, "everybody"], source)

    def test_a_socket_of_ipv4_alone_knows_them_too(self):
        server = self.serve([config.memory_export("1M", "host", allow=[{"address": "127.0.0.2"}])], listen=["tcp:127.0.0.1:0"])
        self.assertEqual(self.names(server, "127.0.0.2"), ["host"])
        self.assertEqual(self.names(server, "127.0.0.1"), [])

    def test_the_rules_of_the_server_are_those_of_the_exports_that_have_none(self):
        server = self.everywhere([config.memory_export("1M", "default"),
                                  config.memory_export("1M", "own", allow=[{"address": "127.0.0.3"}]),
                                  config.memory_export("1M", "nobody", allow=[])], allow=[{"address": "127.0.0.2"}])
        for source, wanted in (("127.0.0.1", []), ("127.0.0.2", ["default"]), ("127.0.0.3", ["own"])):
            self.assertEqual(self.names(server, source), wanted, source)

    def test_what_a_client_may_not_open_does_not_exist_for_it(self):
        server = self.everywhere([config.memory_export("1M", "hidden", allow=[{"address": "127.0.0.2"}]),
                                  config.memory_export("1M", "open")])

        def answers(source, name):
            client = self.client(server, source)
            client.option(wire.OPT_STRUCTURED_REPLY)
            counted = len(name).to_bytes(4, "big") + name.encode()
            query = counted + b"\0\0\0\1\0\0\0\x0fbase:allocation"
            return [client.option(option, data) for option, data in
                    ((wire.OPT_INFO, wire.go_data(name, (1, 2, 3))), (wire.OPT_LIST_META_CONTEXT, query),
                     (wire.OPT_SET_META_CONTEXT, query),
                     (wire.OPT_GO, wire.go_data(name)))]

        self.assertEqual(answers("127.0.0.1", "hidden"), answers("127.0.0.1", "absent"))
        self.assertEqual(answers("127.0.0.1", "hidden")[0][-1][0], wire.REP_ERR_UNKNOWN)
        for got in answers("127.0.0.2", "hidden"):
            self.assertEqual(got[-1][0], wire.REP_ACK)

        def by_export_name(source, name):
            client = self.client(server, source)
            client.option_head(wire.OPT_EXPORT_NAME, len(name))
            client.send(name.encode())
            try:
                return client.receive(10)
            except wire.Closed:
                return None

        self.assertIsNone(by_export_name("127.0.0.1", "hidden"))
        self.assertIsNone(by_export_name("127.0.0.1", "absent"))
        self.assertIsNotNone(by_export_name("127.0.0.2", "hidden"))

    def test_the_default_is_the_first_that_the_client_may_open(self):
        sizes = {"first": 1, "second": 2, "third": 3}
        server = self.everywhere([config.memory_export(f"{sizes[name]}M", name, allow=allow) for name, allow in
                                  (("first", [{"address": "127.0.0.1"}]), ("second", [{"address": "127.0.0.2"}]),
                                   ("third", [{"address": "127.0.0.2"}, {"address": "127.0.0.3"}]))])
        for source, size in (("127.0.0.1", 1), ("127.0.0.2", 2), ("127.0.0.3", 3)):
            with wire.Client(server, kind="tcp", source=source) as client:
                self.assertEqual(client.go("").size, size * MIB, source)
        self.assertEqual(self.client(server, "127.0.0.4").option(wire.OPT_GO, wire.go_data(""))[-1][0], wire.REP_ERR_UNKNOWN)

    def test_who_may_only_read_reads_what_others_write(self):
        disk = self.folder / "disk.img"
        disk.write_bytes(pattern(MIB))
        allow = [{"address": "127.0.0.2", "read_only": True}, {"address": "127.0.0.0/8"}]
        server = self.everywhere([config.file_export(disk, allow=allow)])
        with wire.Client(server, kind="tcp", source="127.0.0.2") as reader, wire.Client(server, kind="tcp", source="127.0.0.1") as writer:
            reader.go("disk")
            writer.go("disk")
            self.assertTrue(reader.transmission_flags & FLAG_READ_ONLY)
            self.assertFalse(writer.transmission_flags & FLAG_READ_ONLY)
            for command, length, data in ((wire.CMD_WRITE, 512, bytes(512)), (wire.CMD_TRIM, 512, b""), (wire.CMD_WRITE_ZEROES, 512, b"")):
                self.assertEqual(reader.ask(command, 0, length, data=data), wire.EPERM, command)
            self.assertEqual(reader.ask(wire.CMD_READ, 0, MIB), pattern(MIB))
            self.assertEqual(writer.ask(wire.CMD_WRITE, 0, 512, data=b"w" * 512), 0)
            self.assertEqual(reader.ask(wire.CMD_READ, 0, 512), b"w" * 512)

    def test_the_log_tells_who_was_refused_and_why_once(self):
        rules = [{"address": "127.0.0.2", "read_only": True}, {"uid": 0}]
        server = self.everywhere([config.memory_export("1M", "hidden", allow=rules)])
        for _ in range(20):
            self.client(server).option(wire.OPT_INFO, wire.go_data("hidden"))
        self.client(server).option(wire.OPT_GO, wire.go_data("absent"))
        self.client(server, "127.0.0.3").option(wire.OPT_GO, wire.go_data(""))
        with wire.Client(server, kind="tcp", source="127.0.0.2") as reader:
            reader.go("hidden")
        server.stop()
        refused = [line for line in server.log().splitlines() if 'refused export "hidden": no rule of allow in line' in line]
        more = [int(count) for count in re.findall(r"tcp:127\.0\.0\.1: refused .* \((\d+) more like it", server.log())]
        first = [line for line in refused if re.search(r"tcp:127\.0\.0\.1:\d", line)]
        self.assertRegex(first[0], r'warning tcp:127\.0\.0\.1:\d+: refused export "hidden": no rule of allow in line \d+ fits$')
        self.assertLess(len(refused), 10, server.log())
        self.assertEqual(len(first) + sum(more), 20, server.log())
        self.assertTrue([line for line in refused if "127.0.0.3:" in line], server.log())
        self.assertRegex(server.log(),
                         r'tcp:127\.0\.0\.2:\d+: opened export "hidden" for reading by { address = "127.0.0.2", read_only = true } in line')

    def test_real_clients(self):
        disk = self.folder / "disk.img"
        disk.write_bytes(pattern(MIB))
        here = [{"address": "127.0.0.1", "read_only": True}]
        server = self.serve([config.memory_export("1M", "hidden", allow=[]), config.file_export(disk, allow=here)],
                            listen=["tcp:127.0.0.1:0"])
        shown = run("nbdinfo", "--list", server.uri(kind="tcp"))
        self.assertIn('export="disk"', shown)
        self.assertNotIn("hidden", shown)
        self.assertEqual(run("nbdinfo", server.uri("hidden", "tcp"), ok=False).returncode, 1)
        handle = libnbd.connect(server.uri("disk", "tcp"), strict=False)
        self.assertTrue(handle.is_read_only())
        with self.assertRaises(nbd.Error) as caught:
            handle.pwrite(b"x", 0)
        self.assertEqual(caught.exception.errnum, errno.EPERM)
        handle.shutdown()
        run("qemu-img", "convert", "-f", "raw", "-O", "raw", server.uri("", "tcp"), self.folder / "copy.img")
        self.assert_same((self.folder / "copy.img").read_bytes(), pattern(MIB))
        self.assertNotEqual(run("qemu-io", "-f", "raw", "-c", "write 0 512", server.uri("disk", "tcp"), ok=False).returncode, 0)


class OverUnix(Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("acting as other users needs root")
        self.folder.chmod(0o755)

    def for_all(self, exports):
        return self.serve(exports, listen=[{"unix": f"{self.folder}/all.sock", "mode": "0777"}])

    def names(self, server, uid, gid, groups=()):
        with acting_as(uid, gid, groups):
            client = wire.Client(server)
        with client:
            client.greet()
            return listed(client)

    def test_clients_are_known_by_user_and_group(self):
        def one(name, **rule):
            return config.memory_export("1M", name, allow=[rule])

        server = self.for_all([one("root", user="root"), one("12345", uid=12345), one("disk", group="disk"), one("23456", group=23456),
                               one("both", uid=12345, group=23456), one("address", address="0.0.0.0/0"), one("readers", read_only=True)])
        for who, wanted in (((0, 0), ["root"]), ((12345, 34567), ["12345"]), ((12345, 23456), ["12345", "23456", "both"]),
                            ((12346, 1, [23456, 6]), ["disk", "23456"]), ((12345, 1, [23456]), ["12345", "23456", "both"]),
                            ((12346, 6), ["disk"]), ((23456, 12345), [])):
            self.assertEqual(self.names(server, *who), [*wanted, "readers"], who)

    def test_the_last_of_many_groups_counts(self):
        server = self.for_all([config.memory_export("1M", "one", allow=[{"group": 60000}])])
        many = list(range(50000, 50900))
        self.assertEqual(self.names(server, 12345, 1, many), [])
        self.assertEqual(self.names(server, 12345, 1, [*many, 60000]), ["one"])

    def test_a_client_that_has_come_as_another_stays_it(self):
        server = self.for_all([config.memory_export("1M", "one", allow=[{"uid": 12345}])])
        with acting_as(12345, 12345):
            client = wire.Client(server)
        with client:
            client.go("one")

    def test_the_log_tells_the_user(self):
        server = self.for_all([config.memory_export("1M", "one", allow=[])])
        with acting_as(12345, 1):
            client = wire.Client(server)
        with client:
            client.greet()
            client.option(wire.OPT_GO, wire.go_data("one"))
        server.stop()
        self.assertRegex(server.log(), r'unix:pid=\d+,uid=12345: refused export "one": allow in line \d+ is empty')


if __name__ == "__main__":
    main(needs=["nbdinfo", "qemu-img", "qemu-io"])
