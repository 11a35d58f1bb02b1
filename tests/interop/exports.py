"""Exports as clients see them: by name and by default, several, read-only, listed, opened once."""

import errno
import json
import struct

from lib import config, libnbd, wire
from lib.case import Case, main
from lib.images import MIB, pattern
from lib.libnbd import nbd
from lib.processes import run


class Exports(Case):
    def disk(self, name, seed):
        path = self.folder / name
        path.write_bytes(pattern(MIB, seed))
        return path

    def two(self, **own):
        return [config.file_export(self.disk("first.img", 1), "first", description="The first one", **own),
                config.file_export(self.disk("second.img", 2), "zweiter Ümläut/ä", description="Die zweite")]

    def test_by_name_and_by_default(self):
        server = self.serve(self.two())
        for name, seed in (("first", 1), ("zweiter Ümläut/ä", 2), ("", 1)):
            self.assert_same(libnbd.connect(server.uri(name)).pread(MIB, 0), pattern(MIB, seed), name)

    def test_an_unknown_name_is_refused_and_the_talk_goes_on(self):
        server = self.serve(self.two())
        with self.assertRaises(nbd.Error):
            libnbd.connect(server.uri("third"))
        with wire.Client(server) as client:
            client.greet()
            self.assertEqual(client.option(wire.OPT_GO, wire.go_data("third"))[-1][0], wire.REP_ERR_UNKNOWN)
            self.assertEqual(client.option(wire.OPT_GO, wire.go_data("first"))[-1][0], wire.REP_ACK)
            self.assertEqual(client.ask(wire.CMD_READ, 0, 16), pattern(MIB, 1)[:16])

    def test_included_exports_are_served_from_their_own_folder(self):
        (self.folder / "conf.d").mkdir()
        self.disk("conf.d/second.img", 2)
        self.write("conf.d/second.toml", '[[export]]\nname = "second"\nplugin = { type = "file", path = "second.img" }\n')
        main = config.toml([config.file_export(self.disk("first.img", 1), "first")], listen=[f"unix:{self.folder}/in.sock"])
        server = self.serve_words([self.write("main.toml", 'include = ["conf.d/*.toml"]\n' + main)])
        self.assert_same(libnbd.connect(server.uri("second")).pread(MIB, 0), pattern(MIB, 2))
        self.assert_same(libnbd.connect(server.uri()).pread(MIB, 0), pattern(MIB, 1))

    def test_listed_with_names_and_descriptions(self):
        server = self.serve(self.two())
        shown = json.loads(run("nbdinfo", "--list", "--json", server.uri()))
        self.assertEqual([(export["export-name"], export["description"]) for export in shown["exports"]],
                         [("first", "The first one"), ("zweiter Ümläut/ä", "Die zweite")])
        listed = run("qemu-nbd", "--list", f"--socket={server.socket}")
        self.assertIn("exports available: 2", listed)
        self.assertIn("export: 'first'", listed)

    def test_more_exports_than_options_are_granted_to_a_lone_one(self):
        names = [f"disk-{number}" for number in range(1200)]
        server = self.serve([config.memory_export("1M", name) for name in names], handshake_timeout=60)
        listed = run("qemu-nbd", "--list", f"--socket={server.socket}")
        self.assertEqual([line.split("'")[1] for line in listed.splitlines() if "export: '" in line], names)
        shown = json.loads(run("nbdinfo", "--list", "--json", server.uri()))
        self.assertEqual([export["export-name"] for export in shown["exports"]], names)

    def test_what_is_asked_behind_a_list_is_answered_however_long_that_is(self):
        long = "d" * 4000
        server = self.serve([config.memory_export("1M", f"disk {number}", description=long) for number in range(20)])
        with wire.Client(server) as client:
            client.greet()
            client.send(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_LIST, 0) * 200 + struct.pack(">QII", wire.IHAVEOPT, wire.OPT_ABORT, 0))
            for _ in range(200):
                names = [client.option_reply(wire.OPT_LIST) for _ in range(21)]
                self.assertEqual([kind for kind, _ in names], [wire.REP_SERVER] * 20 + [wire.REP_ACK])
            self.assertEqual(client.option_reply(wire.OPT_ABORT), (wire.REP_ACK, b""))
            self.assertTrue(client.is_closed())

    def test_the_name_and_description_of_the_default_export_are_told(self):
        server = self.serve(self.two())
        handle = nbd.NBD()
        handle.set_full_info(True)
        handle.connect_uri(server.uri())
        self.assertEqual(handle.get_canonical_export_name(), "first")
        self.assertEqual(handle.get_export_description(), "The first one")

    def test_two_exports_of_one_server_do_not_mix(self):
        server = self.serve(self.two())
        first, second = libnbd.connect(server.uri("first")), libnbd.connect(server.uri("zweiter Ümläut/ä"))
        first.pwrite(b"1", 0)
        second.pwrite(b"2", 0)
        self.assertEqual((first.pread(1, 0), second.pread(1, 0)), (b"1", b"2"))

    def test_a_read_only_export_refuses_to_change(self):
        server = self.serve(self.two(read_only=True))
        handle = libnbd.connect(server.uri("first"), strict=False)
        self.assertTrue(handle.is_read_only())
        for call, *arguments in ((handle.pwrite, b"x", 0), (handle.zero, 512, 0), (handle.trim, 512, 0)):
            with self.assertRaises(nbd.Error) as caught:
                call(*arguments)
            self.assertEqual(caught.exception.errnum, errno.EPERM, call)
            self.assert_same(handle.pread(MIB, 0), pattern(MIB, 1))
        self.assertNotEqual(run("qemu-io", "-f", "raw", "-c", "write 0 512", server.uri("first"), ok=False).returncode, 0)
        run("qemu-io", "-r", "-f", "raw", "-c", "read 0 512", server.uri("first"))
        self.assertFalse(libnbd.connect(server.uri("zweiter Ümläut/ä")).is_read_only())

    def test_a_chain_of_filters_works_like_the_disk_itself(self):
        disk = self.disk("disk.img", 3)
        filters = [{"type": "log", "level": "debug"}, {"type": "align", "block_size": 4096}, {"type": "offset", "offset": 65536}]
        server = self.serve([config.file_export(disk, filters=filters)], log_level="debug")
        handle = libnbd.connect(server.uri("disk"))
        self.assertEqual(handle.get_size(), MIB - 65536)
        self.assert_same(handle.pread(1000, 77), pattern(MIB, 3)[65536 + 77:65536 + 1077])
        handle.pwrite(b"in the middle of a block", 5000)
        handle.zero(10_000, 20_001)
        handle.shutdown()
        server.stop()
        wanted = bytearray(pattern(MIB, 3))
        wanted[65536 + 5000:65536 + 5024] = b"in the middle of a block"
        wanted[65536 + 20_001:65536 + 30_001] = bytes(10_000)
        self.assert_same(disk.read_bytes(), wanted)

    def refusal(self, uri):
        """What the server says to a client that cannot have its export."""
        done = run("qemu-img", "info", uri, ok=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stdout.split("server reported: ")[1].splitlines()[0]

    def test_a_client_is_told_the_cause_once(self):
        folder = self.folder / "of my own"
        folder.mkdir()
        disk = folder / "my disk.img"
        disk.write_bytes(pattern(MIB))
        server = self.serve([config.file_export(disk)], listen=[f"unix:{self.folder}/unix.sock", "tcp:127.0.0.1:0"])
        disk.unlink()
        for kind, shown in (("unix", disk), ("tcp", disk.name)):
            self.assertEqual(self.refusal(server.uri("disk", kind)), f"cannot open '{shown}': No such file or directory")

    def test_an_optional_export_comes_and_goes_with_its_disk(self):
        disk = self.folder / "late.img"
        server = self.serve([config.file_export(disk, "late", optional=True),
                             config.file_export(self.disk("first.img", 1), "first")])
        self.assertEqual(server.log().count("it is optional, and will be tried again for each client"), 1)
        with wire.Client(server) as client:
            client.greet()
            self.assertEqual([name[4:] for _, name in client.option(wire.OPT_LIST)], [b"late", b"first", b""])
        self.assert_same(libnbd.connect(server.uri("first")).pread(MIB, 0), pattern(MIB, 1))
        self.assertIn("No such file or directory", self.refusal(server.uri("late")))
        disk.write_bytes(pattern(MIB, 2))
        for name in ("late", ""):
            handle = libnbd.connect(server.uri(name))
            self.assert_same(handle.pread(MIB, 0), pattern(MIB, 2), name)
        # Where zeroing is not possible it is emulated, as in any other export.
        handle.zero(4096, 4096)
        self.assert_same(handle.pread(4096, 4096), bytes(4096))
        handle.shutdown()
        disk.unlink()
        self.assertIn("No such file or directory", self.refusal(server.uri("late")))

    def opens(self, server):
        return server.log().count(' open export="disk"')

    def test_info_then_go_opens_once(self):
        exports = [config.file_export(self.disk("disk.img", 1), filters=[{"type": "log"}])]
        idle = self.serve(exports)
        server = self.serve(exports)
        with wire.Client(server) as client:
            client.greet()
            for _ in range(3):
                self.assertEqual(client.option(wire.OPT_INFO, wire.go_data("disk"))[-1][0], wire.REP_ACK)
            self.assertEqual(client.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)
            self.assertEqual(client.ask(wire.CMD_READ, 0, 16), pattern(MIB, 1)[:16])
        # The log is read when a server has ended, and all is in it.
        for one in (idle, server):
            one.stop()
        self.assertEqual(self.opens(server), self.opens(idle) + 1, server.log())

    def test_the_oldest_way_in_still_works(self):
        server = self.serve(self.two())
        for flags, padding in ((wire.FLAG_C_FIXED_NEWSTYLE, 124), (wire.FLAG_C_FIXED_NEWSTYLE | wire.FLAG_C_NO_ZEROES, 0)):
            with wire.Client(server) as client:
                client.greet(flags)
                client.option_head(wire.OPT_EXPORT_NAME, 5)
                client.send(b"first")
                answer = client.receive(10 + padding)
                self.assertEqual(int.from_bytes(answer[:8], "big"), MIB)
                self.assertEqual(answer[10:], bytes(padding))
                self.assertEqual(client.ask(wire.CMD_READ, 0, 16), pattern(MIB, 1)[:16])

    def test_a_file_that_was_replaced_or_has_grown_is_for_those_who_come_from_then_on(self):
        disk = self.disk("disk.img", 1)
        server = self.serve([config.file_export(disk)])
        first = libnbd.connect(server.uri())
        self.disk("next.img", 2).rename(disk)
        second = libnbd.connect(server.uri())
        with open(disk, "r+b") as file:
            file.truncate(2 * MIB)
        third = libnbd.connect(server.uri())
        self.assertEqual([handle.get_size() for handle in (first, second, third)], [MIB, MIB, 2 * MIB])
        third.pwrite(b"3", MIB)
        third.flush()
        for handle, seed in ((first, 1), (second, 2), (third, 2)):
            self.assert_same(handle.pread(MIB, 0), pattern(MIB, seed))
        self.assert_same(disk.read_bytes(), pattern(MIB, 2) + b"3" + bytes(MIB - 1))
        disk.unlink()
        with self.assertRaises(nbd.Error):
            libnbd.connect(server.uri())
        self.assert_same(first.pread(MIB, 0), pattern(MIB, 1))

    def test_an_export_of_no_bytes(self):
        server = self.serve([config.file_export(self.sparse_file("empty.img", 0))])
        handle = libnbd.connect(server.uri("disk"), strict=False)
        self.assertEqual(handle.get_size(), 0)
        with self.assertRaises(nbd.Error):
            handle.pread(1, 0)
        handle.flush()


if __name__ == "__main__":
    main(needs=["nbdinfo", "qemu-nbd", "qemu-io"])
