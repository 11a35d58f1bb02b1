#!/usr/bin/env python3
"""The plugin nbd in a server: over nbdkit, qemu-nbd, an ashlar, and a server that does whatever is wrong; by TLS; killed under load."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

import far

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "interop"))

from lib import config, figures, images, libnbd, processes, tls, wire  # noqa: E402
from lib.case import Case, main, names_of_tests, run_at_once  # noqa: E402
from lib.libnbd import nbd  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.server import PROGRAM, Server  # noqa: E402

PATIENCE = 60  # seconds; only a failure takes so long
SIZE = 1 << 20
OPERATIONS = 1500
KILLS = int(os.environ.get("ASHLAR_NBD_KILLS", "3"))


def export(uri=None, name="disk", **more):
    where = {"uri": uri} if uri else {}
    return {"name": name, "plugin": {"type": "nbd", **where, **more}}


def unix(path, name=""):
    return f"nbd+unix:///{name}?socket={path}"


def listens(path):
    """Whether who connects to the socket is let in: its file is there before that. To connect would end a server of one client."""
    listening = "00010000"  # among the flags (proc(5), /proc/net/unix)
    rows = [row.split() for row in pathlib.Path("/proc/net/unix").read_text().splitlines()]
    return any(row[-1] == str(path) and row[3] == listening for row in rows)


class Nbd(Case):
    def logged(self, text, server=None):
        self.wait_until(f"the log tells of {text}", lambda: re.search(text, (server or self.server).log()))

    def metric(self, name):
        return figures.module_total(self.folder / "metrics.sock", name)

    def started(self, path, *words):
        """A server of another kind that listens at `path`, until the test has ended."""
        path.unlink(missing_ok=True)
        process = processes.start(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.ended, process)
        self.wait_until(f"{words[0]} listens", lambda: listens(path) or process.poll() is not None)
        self.assertIsNone(process.poll(), words)
        return process

    @staticmethod
    def ended(process):
        process.kill()
        process.wait()

    def nbdkit(self, *words, at="kit.sock"):
        path = self.folder / at
        return self.started(path, "nbdkit", "-f", "-U", path, *words), unix(path)

    def far(self, **how):
        """The server that does as it is told to."""
        self.other = far.Far(self.folder / "far.sock", **how)
        self.addCleanup(self.other.end)
        return unix(self.folder / "far.sock")

    def in_flight(self):
        told = run(PROGRAM, "status", "--json", "--control", f"unix:{self.folder}/control.sock", timeout=PATIENCE)
        return json.loads(told)["exports"][0]["in_flight"]

    def stop_over_a_silent_one(self, other, reads):
        """Its other server, the process `other`, is stopped when all is flushed; it has to stop well all the same."""
        client = self.client()
        client.pwrite(b"x" * 512, 0)
        client.flush()
        processes.halt(other)
        if reads:
            client.aio_pread(nbd.Buffer(512), 0)
            self.wait_until("the read is under way", lambda: self.in_flight() == 1)
        self.server.stop()

    def reads(self, client):
        try:
            client.pread(512, 0)
        except nbd.Error:
            return False
        return True

    def flushes(self):
        """Whether a client that comes can flush."""
        client = self.client()
        try:
            client.flush()
        except nbd.Error:
            return False
        finally:
            client.shutdown()
        return True

    def writes(self, data):
        """Whether a client that comes may write this at the beginning."""
        try:
            client = self.client()
        except nbd.Error:
            return False
        client.pwrite(data, 0)
        client.shutdown()
        return True

    def client(self, name="disk"):
        return libnbd.connect(self.server.uri(name))

    def refused(self, one, **settings):
        """What `ashlar check` says of an export that cannot be opened."""
        file = self.write("refused.toml", config.toml([one], **settings))
        done = run(PROGRAM, "check", file, ok=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stdout


    def assert_unknown(self, name):
        with wire.Client(self.server, PATIENCE) as client:
            client.greet()
            for option in (wire.OPT_INFO, wire.OPT_GO):
                self.assertEqual(client.option(option, wire.go_data(name))[-1][0], wire.REP_ERR_UNKNOWN)

    def who_comes_while_it_is_away(self):
        """A client that waits for its export. Its thread, and what it puts the client into."""
        came = []

        def come():
            try:
                came.append(self.client())
            except nbd.Error:
                pass  # who has waited for it sees that it has not come

        thread = threading.Thread(target=come, daemon=True)
        thread.start()
        self.logged("cannot be reached")
        return thread, came


class Model:
    """A disk as it should be, and random operations on both."""

    def __init__(self, case, client, seed):
        self.case, self.client, self.random = case, client, random.Random(seed)
        self.size = client.get_size()
        self.disk = bytearray(client.pread(self.size, 0))

    def place(self):
        offset = self.random.randrange(self.size)
        return offset, self.random.randint(1, min(self.size - offset, 1 << self.random.randint(0, 17)))

    def run(self, operations=OPERATIONS):
        writes = [self.write] * 3 + [self.zero] * 2 if not self.client.is_read_only() else []
        for _ in range(operations):
            self.random.choice([self.read] * 3 + writes + [self.cache, self.extents, self.flush])()
        self.case.assert_same(bytes(self.client.pread(self.size, 0)), self.disk, "at the end")

    def fua(self):
        return self.random.choice((0, nbd.CMD_FLAG_FUA)) if self.client.can_fua() else 0

    def read(self):
        offset, length = self.place()
        self.case.assert_same(bytes(self.client.pread(length, offset)), self.disk[offset:offset + length], f"read {length}@{offset}")

    def write(self):
        offset, length = self.place()
        data = self.random.randbytes(length)
        self.client.pwrite(data, offset, self.fua())
        self.disk[offset:offset + length] = data

    def zero(self):
        offset, length = self.place()
        if self.client.can_trim() and self.random.random() < 0.3:
            self.client.trim(length, offset, self.fua())  # what is read then is anything
        self.client.zero(length, offset, self.fua() | self.random.choice((0, nbd.CMD_FLAG_NO_HOLE)))
        self.disk[offset:offset + length] = bytes(length)

    def cache(self):
        if self.client.can_cache():
            offset, length = self.place()
            self.client.cache(length, offset)

    def flush(self):
        self.client.flush()

    def extents(self):
        if not self.client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION):
            return
        offset, length = self.place()
        at = offset
        for bytes_, state in libnbd.extents(self.client, length, offset):
            self.case.assertGreater(bytes_, 0)
            part = self.disk[at:min(at + bytes_, offset + length)]
            if state & nbd.STATE_ZERO:
                self.case.assert_same(part, bytes(len(part)), f"told as zero at {at}")
            at += bytes_


class Over(Nbd):
    """Other servers."""

    def assert_as_a_model(self, one, seed=1):
        self.server = self.serve([one])
        client = self.client()
        Model(self, client, seed).run()
        client.shutdown()

    def test_nbdkit_memory(self):
        _, uri = self.nbdkit("memory", "1M")
        self.assert_as_a_model(export(uri))

    def test_an_old_server(self):
        """One that knows neither structured replies nor block sizes."""
        _, uri = self.nbdkit("--no-sr", "memory", "1M")
        self.assert_as_a_model(export(uri))

    def test_an_ashlar_by_tcp(self):
        below = self.serve([config.memory_export(SIZE + 700, "a b")], listen=["tcp:127.0.0.1:0"])
        self.assert_as_a_model(export(below.uri("a b", "tcp").replace("127.0.0.1", "localhost")))

    def test_fio_finds_what_it_wrote(self):
        _, uri = self.nbdkit("memory", "8M")
        self.server = self.serve([export(uri, connections=3)])
        words = ["fio", "--name=verify", "--ioengine=nbd", f"--uri={self.server.uri('disk')}", "--rw=randwrite", "--bs=4k", "--iodepth=64",
                 "--size=8M", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0"]
        self.assertRegex(run(*words), r"issued rwts: total=(\d+),\1,0,0")

    def test_other_clients(self):
        _, uri = self.nbdkit("memory", "4M")
        self.server = self.serve([export(uri)])
        image, copy = self.folder / "image", self.folder / "copy"
        image.write_bytes(images.pattern(2 << 20) + bytes(2 << 20))
        run("nbdcopy", image, self.server.uri("disk"))
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, self.server.uri("disk"))
        run("qemu-img", "convert", "-f", "raw", "-O", "raw", self.server.uri("disk"), copy)
        self.assert_same(copy.read_bytes(), image.read_bytes())

    def test_what_a_server_is_is_kept(self):
        uri = self.far(size=3 << 20, flags=("flush", "rotational", "trim"), blocks=(512, 65536, 1 << 20))
        self.server = self.serve([export(uri), export(uri, "read-only", read_only=True)])
        client = self.client()
        self.assertEqual(client.get_size(), 3 << 20)
        self.assertEqual([client.get_block_size(which) for which in range(3)], [512, 65536, 1 << 20])
        self.assertTrue(client.is_rotational() and client.can_flush() and client.can_trim() and client.can_multi_conn())
        self.assertFalse(client.is_read_only())
        client.shutdown()
        self.assertTrue(self.client("read-only").is_read_only())

    def test_flags_are_passed_on(self):
        uri = self.far()
        self.server = self.serve([export(uri)])
        client = self.client()
        fua, no_hole = wire.CMD_FLAG_FUA, wire.CMD_FLAG_NO_HOLE
        client.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA)
        client.pwrite(b"x" * 512, 512)
        client.zero(512, 0, nbd.CMD_FLAG_FUA)
        client.zero(1024, 0, nbd.CMD_FLAG_NO_HOLE)
        client.trim(512, 512)
        client.flush()
        self.assertEqual(self.other.asked, [(wire.CMD_WRITE, fua, 0, 512), (wire.CMD_WRITE, 0, 512, 512),
                                            (wire.CMD_WRITE_ZEROES, fua, 0, 512), (wire.CMD_WRITE_ZEROES, no_hole, 0, 1024),
                                            (wire.CMD_TRIM, 0, 512, 512), (wire.CMD_FLUSH, 0, 0, 0)])
        client.shutdown()

    def test_extents_and_the_first_alone(self):
        path = self.sparse_file("disk.img", SIZE)
        with open(path, "r+b") as file:
            file.seek(65536)
            file.write(b"x" * 65536)
        asked = self.folder / "asked"
        _, uri = self.nbdkit("--filter=log", "file", path, f"logfile={asked}")
        self.server = self.serve([export(uri)])
        client = self.client()
        self.assertEqual(libnbd.extents(client, SIZE, 0), [(65536, 3), (65536, 0), (SIZE - 131072, 3)])
        self.assertNotIn("req_one=1", asked.read_text())
        self.assertEqual(libnbd.extents(client, SIZE, 0, nbd.CMD_FLAG_REQ_ONE), [(65536, 3)])
        self.assertIn("req_one=1", asked.read_text())
        client.shutdown()

    def test_one_connection_where_several_are_not_allowed(self):
        uri = self.far()
        self.server = self.serve([export(uri, connections=8)])
        clients = [self.client() for _ in range(3)]
        for client in clients:
            client.pwrite(b"x" * 512, 0)
        self.assertEqual(self.other.connected, 1)

    def test_several_connections_where_they_are(self):
        uri = self.far(flags=(*far.USUAL, "multi_conn"))
        self.server = self.serve([export(uri, connections=3)])
        client = self.client()
        client.pwrite(b"x" * 512, 0)
        self.wait_until("all are made", lambda: self.other.connected == 3)
        client.shutdown()

    def test_all_exports_of_a_server(self):
        below = self.serve([config.memory_export(SIZE, "a"), config.memory_export(2 * SIZE, "b")])
        self.server = self.serve([export(unix(below.socket), "far/*", export="*")])
        shown = run("nbdinfo", "--list", self.server.uri())
        self.assertEqual(set(re.findall(r'export="(.*)"', shown)), {"far/a", "far/b"})
        self.assertEqual(self.client("far/b").get_size(), 2 * SIZE)
        self.assert_unknown("far/c")

    def test_a_part_of_the_exports_of_a_server(self):
        """What stands around the * in the parameter stands around it in the names there. Where it stands elsewhere, which names there
        are is not known."""
        below = self.serve([config.memory_export(SIZE, name) for name in ("with1", "with-two", "other", "wit", "with", "a?th-a?th")])
        (self.folder / "linked.sock").symlink_to(below.socket)
        self.server = self.serve([export(unix(below.socket), "before/*", export="with*"),
                                  export(unix(below.socket), "behind/*", export="*th"),
                                  export(unix(below.socket), "twice/*", export="*-*"),
                                  export(unix(below.socket, "*th*"), "of_uri/*"),
                                  export(unix(below.socket, "*wo"), "behind_in_uri/*"),
                                  export(unix(self.folder / "*.sock", "other"), "elsewhere/*")])
        shown = set(re.findall(r'export="(.*)"', run("nbdinfo", "--list", "--no-content", self.server.uri())))
        self.assertEqual(shown, {"before/1", "before/-two", "behind/wi", "behind/a?th-a?", "twice/a?th", "behind_in_uri/with-t"})
        for name in (*shown, "elsewhere/linked"):
            self.assertEqual(self.client(name).get_size(), SIZE, name)

    def test_the_log_tells_why_the_exports_of_a_server_are_not_listed(self):
        below = self.serve([config.memory_export(SIZE, "a")])
        self.server = self.serve([export(unix(below.socket), "far/*", export="*"), config.memory_export(SIZE, "here")])
        below.stop()
        self.assertEqual(re.findall(r'export="(.*)"', run("nbdinfo", "--list", "--no-content", self.server.uri())), ["here"])
        self.logged(r'error .*: export "far/\*": .* cannot be asked for its exports: No such file')

    def test_an_export_that_is_gone_there_is_none_here(self):
        uri = self.far(export=b"b")
        self.server = self.serve([{**export(uri, "far/*", export="*"), "optional": True}])
        self.client("far/b").shutdown()
        self.other.export = b"another"
        self.other.cut()
        self.logged("the connection is lost")
        self.assert_unknown("far/b")
        self.other.export = b"b"
        self.assertEqual(self.client("far/b").get_size(), SIZE)

    def test_who_cannot_be_reached_at_the_start(self):
        said = self.refused(export("nbd://127.0.0.1:1/x"))
        self.assertRegex(said, r'refused\.toml:7:\d+: key "uri": .*nbd://127.0.0.1:1/x cannot be reached: Connection refused')
        self.assertIn("cannot be looked up", self.refused(export("nbd://nowhere.invalid/")))
        self.assertIn("no export named 'nothing'", self.refused(export(self.far(), export="nothing")))

    def test_an_optional_export_comes_when_its_server_does(self):
        path = self.folder / "kit.sock"
        self.server = self.serve([{**export(unix(path)), "optional": True}])
        with self.assertRaises(nbd.Error):
            self.client()
        self.nbdkit("memory", "1M")
        self.assertEqual(self.client().get_size(), SIZE)


class Lies(Nbd):
    def lying(self, way, **more):
        uri = self.far(**more)
        self.server = self.serve([export(uri, timeout="20s")])
        self.other.way = way
        self.other.disk[:] = images.pattern(len(self.other.disk))
        return self.client()

    def test_what_is_left_out_is_an_error(self):
        for way in ("leaves_out", "leaves_out_all", "repeats_half"):
            with self.subTest(way=way):
                client = self.lying(way)
                with self.assertRaises(nbd.Error):
                    client.pread(4096, 512)
                self.logged(r"read 4096@512: the server has left out a part of the answer")
                self.other.way = "well"
                self.assert_same(bytes(client.pread(4096, 512)), self.other.disk[512:4608])
                client.shutdown()
                self.other.end()

    def test_pieces_in_another_order(self):
        client = self.lying("backwards")
        self.assert_same(bytes(client.pread(4096, 512)), self.other.disk[512:4608])

    def test_what_breaks_the_connection_is_asked_again(self):
        for way in ("cuts", "raves", "answers_another"):
            with self.subTest(way=way):
                client = self.lying(way)
                self.assert_same(bytes(client.pread(8192, 512)), self.other.disk[512:8704])
                self.assertEqual(self.other.asked, [(wire.CMD_READ, 0, 512, 8192)] * 2)
                self.logged("the connection is lost")
                client.shutdown()
                self.other.end()

    def test_an_error_is_one(self):
        client = self.lying("fails")
        with self.assertRaises(nbd.Error):
            client.pread(4096, 512)
        self.assertEqual(len(self.other.asked), 1)

    def test_a_write_whose_answer_is_lost_is_made_again(self):
        client = self.lying("loses_replies")
        client.pwrite(b"y" * 4096, 0)
        self.assertEqual(self.other.asked, [(wire.CMD_WRITE, 0, 0, 4096)] * 2)
        client.flush()  # nothing was acknowledged before
        client.shutdown()

    def test_who_stops_is_asked_again_when_he_is_back(self):
        client = self.lying("stops")
        threading.Timer(0.2, lambda: setattr(self.other, "way", "well")).start()
        self.assert_same(bytes(client.pread(4096, 512)), self.other.disk[512:4608])

    def test_another_disk_is_none(self):
        for change, said in (({"size": SIZE // 2}, "it had 1048576 bytes and has 524288"), ({"flags": ("flush",)}, "no longer has trim"),
                             ({"flags": ("read_only", *far.USUAL)}, "can only be read")):
            with self.subTest(change=change):
                client = self.lying("well")
                self.other.end()
                self.far(**change)
                with self.assertRaises(nbd.Error):
                    client.pread(512, 0)
                self.logged(f"come back with another disk: .*{said}")
                self.other.end()
                self.far()
                self.wait_until("the disk is back", lambda: self.reads(client))
                client.shutdown()
                self.other.end()

    def test_one_that_has_grown(self):
        client = self.lying("well")
        self.other.end()
        self.far(size=2 * SIZE)
        self.assertEqual(bytes(client.pread(512, 0)), bytes(512))
        self.assertEqual(self.client().get_size(), 2 * SIZE)

    def test_what_is_too_long(self):
        for size in (1 << 63, (1 << 64) - 1):
            uri = self.far()
            self.other.size = size
            self.assertIn("cannot be reached: it is longer than any disk can be", self.refused(export(uri)))
            self.other.end()

    def test_what_is_no_server(self):
        self.assertIn("cannot be reached", self.refused(export(self.far(way="garbage"))))
        self.other.end()
        self.assertIn("the server does not answer", self.refused(export(self.far(way="silent"), timeout="300ms")))


class Away(Nbd):
    def test_requests_wait_for_a_server_that_comes_back(self):
        uri = self.far()
        self.server = self.serve([export(uri)])
        client = self.client()
        client.pwrite(b"x" * 512, 0)
        client.flush()
        self.other.end()
        self.logged("the connection is lost")
        buffer = nbd.Buffer(512)
        cookie = client.aio_pread(buffer, 0)
        self.logged("cannot be reached")
        self.assertFalse(client.aio_command_completed(cookie))
        disk = self.other.disk
        self.far()
        self.other.disk[:] = disk
        while not client.aio_command_completed(cookie):
            client.poll(-1)
        self.assertEqual(bytes(buffer.to_bytearray()), b"x" * 512)
        client.flush()
        client.shutdown()

    def test_a_write_is_made_though_its_client_has_gone_and_before_those_of_the_next(self):
        self.server = self.serve([{**export(self.far()), "exclusive": True}], control=f"unix:{self.folder}/control.sock")
        with wire.Client(self.server, PATIENCE) as gone:
            gone.go("disk")
            self.other.end()
            self.logged("the connection is lost")
            gone.request(wire.CMD_WRITE, 0, 512, data=b"x" * 512)
            self.wait_until("the write waits", lambda: self.in_flight() == 1)
        with wire.Client(self.server, PATIENCE) as following:
            following.greet()
            refused, why = following.option(wire.OPT_GO, wire.go_data("disk"))[-1]
            self.assertEqual((refused, b"is exclusive" in why), (wire.REP_ERR_POLICY, True), why)
        self.far()
        self.wait_until("it is made", lambda: self.other.disk[:512] == b"x" * 512)
        self.wait_until("the next client may write", lambda: self.writes(b"y" * 512))
        self.assertEqual(self.other.disk[:512], b"y" * 512)

    def test_requests_fail_in_the_end(self):
        uri = self.far()
        self.server = self.serve([export(uri, timeout="500ms")])
        client = self.client()
        self.other.end()
        with self.assertRaises(nbd.Error):
            client.pread(512, 0)
        with self.assertRaises(nbd.Error):
            client.pwrite(b"x" * 512, 0)
        self.far()
        # The next try to reach it may come later than a request waits.
        self.wait_until("it is served again", lambda: self.reads(client))
        client.shutdown()

    def test_only_the_time_in_which_it_is_away_counts(self):
        """A read meets two cuts that are further apart than it may wait, while the server answers others."""
        self.server = self.serve([export(self.far(way="hangs"), timeout="8s")])
        client, other = self.client(), self.client()
        buffer = nbd.Buffer(512)
        cookie = client.aio_pread(buffer, 0)
        self.assertTrue(self.other.arrived.acquire(timeout=PATIENCE))
        self.other.cut()
        self.assertTrue(self.other.arrived.acquire(timeout=PATIENCE), "it is not asked again")
        self.other.way = "well"
        self.other.disk[:512] = b"x" * 512
        end = time.monotonic() + 9
        while time.monotonic() < end:
            other.pread(512, 512)
            time.sleep(0.1)
        self.assertFalse(client.aio_command_completed(cookie))
        self.other.cut()
        while not client.aio_command_completed(cookie):
            client.poll(-1)
        self.assertEqual(bytes(buffer.to_bytearray()), b"x" * 512)
        self.assertEqual(self.other.asked.count((wire.CMD_READ, 0, 0, 512)), 3)

    def test_silence_is_as_being_away(self):
        uri = self.far(way="hangs")
        self.server = self.serve([export(uri, timeout="500ms")])
        client = self.client()
        with self.assertRaises(nbd.Error):
            client.pread(512, 0)
        self.logged("silent for the whole timeout")
        self.assertEqual(len(self.other.asked), 1)  # it had waited for the whole timeout then, and was not asked again

    def test_silence_that_the_server_ends_itself_counts(self):
        """Else a request would be asked again and again, and never fail."""
        self.server = self.serve([export(self.far(way="hangs"), timeout="2s")])
        client = self.client()

        def cut_often():
            for _ in range(8):
                if not self.other.arrived.acquire(timeout=PATIENCE):
                    return
                time.sleep(1.5)
                self.other.cut()
            self.other.way = "well"

        threading.Thread(target=cut_often, daemon=True).start()
        with self.assertRaises(nbd.Error):
            client.pread(512, 0)

    def test_who_comes_meanwhile_waits_and_is_not_taken_for_a_slow_one(self):
        self.server = self.serve([export(self.far())], handshake_timeout=5)
        self.other.end()
        thread, came = self.who_comes_while_it_is_away()
        with wire.Client(self.server, PATIENCE) as slow:
            self.assertTrue(slow.is_closed(), "one that says nothing is not ended")
        self.far()
        thread.join(PATIENCE)
        self.assertEqual([client.get_size() for client in came], [SIZE])

    def test_who_comes_meanwhile_waits_once(self):
        """Each option that asks for the export is told the same."""
        self.server = self.serve([export(self.far(), timeout="2s")])
        self.other.end()
        with wire.Client(self.server, PATIENCE) as client:
            client.greet()
            client.option(wire.OPT_STRUCTURED_REPLY)
            said = client.option(wire.OPT_SET_META_CONTEXT, wire.meta_data("disk", "base:allocation"))[-1]
            self.assertEqual(said[0], wire.REP_ERR_POLICY)
            self.far()
            self.assertEqual(client.option(wire.OPT_GO, wire.go_data("disk"))[-1], said)
        self.assertEqual(self.client().get_size(), SIZE)

    def test_a_server_that_stops_waits_for_nobody(self):
        """Neither for one that is silent, nor for one that is away."""
        uri = self.far(way="hangs")
        self.server = self.serve([export(uri)])
        clients = [self.client() for _ in range(2)]
        buffer = nbd.Buffer(512)
        clients[0].aio_pread(buffer, 0)
        clients[1].aio_pwrite(nbd.Buffer(512), 0)
        for _ in clients:
            self.assertTrue(self.other.arrived.acquire(timeout=PATIENCE))
        self.server.stop()
        self.server = self.serve([export(uri)])
        client = self.client()
        self.other.end()
        self.logged("cannot be reached")
        client.aio_pread(buffer, 0)
        self.server.stop()
        self.server = self.serve([export(self.far())])
        self.other.end()
        thread, came = self.who_comes_while_it_is_away()
        self.server.stop()
        thread.join(PATIENCE)
        self.assertEqual(came, [])

    def test_one_that_is_stopped_holds_up_nobody_who_has_flushed(self):
        """Neither when a read is under way, nor when none is."""
        for reads in (False, True):
            with self.subTest(reads=reads):
                process, uri = self.nbdkit("memory", "1M")
                self.server = self.serve([export(uri)], control=f"unix:{self.folder}/control.sock",
                                         metrics=f"unix:{self.folder}/metrics.sock")
                other = self.client()
                self.wait_until("all are connected", lambda: self.metric("connects") == 4)
                self.stop_over_a_silent_one(process.pid, reads)
                del other
                self.ended(process)

    def test_who_goes_away_does_not_disturb_others(self):
        uri = self.far(way="hangs")
        self.server = self.serve([export(uri)])
        leaves, stays = self.client(), self.client()
        leaves.aio_pread(nbd.Buffer(512), 0)
        self.assertTrue(self.other.arrived.acquire(timeout=PATIENCE))
        self.other.way = "well"
        del leaves
        for _ in range(100):
            stays.pread(512, 512)
        self.logged("closed export")  # what it waited for was never answered
        stays.pread(512, 512)
        stays.shutdown()

    def test_a_lost_write_is_told_to_each_that_flushes_once(self):
        uri = self.far()
        self.server = self.serve([export(uri)], metrics=f"unix:{self.folder}/metrics.sock")
        writes, other = self.client(), self.client()
        writes.pwrite(b"x" * 512, 0)
        self.other.cut()
        self.logged("may be lost, the next flush of each client fails")
        for client in (writes, other):
            with self.assertRaises(nbd.Error):
                client.flush()
            client.flush()
        late = self.client()
        late.flush()
        writes.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA)
        writes.pwrite(b"x" * 512, 0)
        writes.flush()
        self.other.cut()
        self.wait_until("it is lost again", lambda: self.server.log().count("the connection is lost") == 2)
        for client in (writes, other, late):
            client.flush()
        self.assertEqual([self.metric(name) for name in ("connects", "lost")], [3, 1])

    def test_what_is_not_flushed_at_the_end_is_told(self):
        """The client has not flushed; when the server ends the plugin does, and says if it cannot."""
        for way, told in (("well", False), ("does_not_flush", True), ("hangs", True)):
            with self.subTest(way=way):
                uri = self.far()
                self.server = self.serve([export(uri)])
                client = self.client()
                client.pwrite(b"x" * 512, 0)
                client.shutdown()
                self.other.way = way
                self.server.stop()
                self.assertIn((wire.CMD_FLUSH, 0, 0, 0), self.other.asked)
                self.assertEqual("what was written since the last flush may be lost" in self.server.log(), told)
                self.other.end()

    def test_what_was_lost_and_nobody_was_told_of_is_told_at_the_end(self):
        for flushes in (False, True):
            with self.subTest(flushes=flushes):
                self.server = self.serve([export(self.far())])
                client = self.client()
                client.pwrite(b"x" * 512, 0)
                self.other.end()
                self.logged("the connection is lost")
                if flushes:
                    self.far()
                    with self.assertRaises(nbd.Error):
                        client.flush()
                    self.other.end()
                client.shutdown()
                self.server.stop()
                told = "the export ends before a flush has told that what was written before the connection was lost may be gone"
                self.assertEqual(told in self.server.log(), not flushes)

    def test_under_retry_that_reopens_one_failed_flush_is_followed_by_others(self):
        self.server = self.serve([{**export(self.far()), "filter": [{"type": "retry", "reopen": True}]}])
        client = self.client()
        client.pwrite(b"x" * 512, 0)
        self.other.cut()
        self.logged("the next flush of each client fails")
        client.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA)
        for write in (client.flush, client.flush, lambda: client.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA)):
            with self.assertRaises(nbd.Error):
                write()
        client.pwrite(b"x" * 512, 0)
        client.shutdown()
        self.wait_until("it is forgotten when all have gone", self.flushes)

    def test_where_there_is_no_flush_none_is_said_to_fail(self):
        self.server = self.serve([export(self.far(flags=("fua", "trim", "zero")))])
        client = self.client()
        client.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA)
        self.other.cut()
        self.logged("the connection is lost: [^;]*\n")
        client.pwrite(b"x" * 512, 0)
        self.other.cut()
        self.logged("the connection is lost: .*; what was written without FUA may be lost, the server has no flush that could tell\n")
        client.shutdown()
        self.server.stop()
        self.assertNotRegex(self.server.log(), "flush (of|has)")

    def test_a_server_that_stops_instead_of_flushing_may_lose_what_was_written(self):
        self.server = self.serve([export(self.far())])
        client = self.client()
        client.pwrite(b"x" * 512, 0)
        self.other.way = "stops"
        flush = client.aio_flush()
        self.logged("the connection is lost: the server stops; what was written since the last flush may be lost")
        self.other.way = "well"
        with self.assertRaises(nbd.Error):
            while not client.aio_command_completed(flush):
                client.poll(-1)
        self.assertEqual(set(self.other.asked[1:]), {(wire.CMD_FLUSH, 0, 0, 0)})
        self.assertGreater(len(self.other.asked), 2, "it is not made again")
        client.flush()
        client.shutdown()

    def test_a_flush_goes_over_the_oldest_connection(self):
        """What it was acknowledged over is lost with it. A newer one may lead to a server that never had it, and would flush in vain."""
        uri = self.far(flags=(*far.USUAL, "multi_conn"))
        self.server = self.serve([export(uri, connections=2)], metrics=f"unix:{self.folder}/metrics.sock")
        client = self.client()
        self.wait_until("both are made", lambda: self.metric("connects") == 2)
        for made in (3, 4):
            self.other.cut(slice(0, 1))
            self.wait_until("it is made anew", lambda: self.metric("connects") == made)
            oldest = self.other.clients[0]
            client.pwrite(b"x" * 512, 0)
            client.flush()
            self.assertEqual(self.other.asked[-1][0], wire.CMD_FLUSH)
            self.assertIs(self.other.takers[-1], oldest)
        client.shutdown()

    def test_a_lost_write_of_which_nobody_was_told_is_told_to_who_comes(self):
        uri = self.far()
        self.server = self.serve([export(uri)])
        client = self.client()
        client.pwrite(b"x" * 512, 0)
        client.shutdown()
        self.other.cut()
        self.logged("may be lost")
        client = self.client()
        with self.assertRaises(nbd.Error):
            client.flush()
        client.flush()


class Programs(Nbd):
    """Servers that the plugin starts."""

    def program(self, name, other_than=None):
        """The process that the log tells of last, as soon as it is another one: the log may be later than replies."""
        def last():
            told = re.findall(rf"{name} is started, process (\d+)", self.server.log())
            return int(told[-1]) if told else other_than
        self.wait_until(f"the log tells of another {name}", lambda: last() != other_than)
        return last()

    def gone(self, process):
        self.wait_until(f"process {process} ends", lambda: not os.path.exists(f"/proc/{process}"))

    def qemu(self, kind):
        """An image of that kind as a disk; what was written is in it, and it is sound."""
        image, raw = self.folder / f"disk.{kind}", self.folder / "raw.img"
        run("qemu-img", "create", "-q", "-f", kind, image, "4M")
        self.server = self.serve([export(command=["qemu-nbd", "-f", kind, str(image)])])
        Model(self, self.client(), 7).run(300)
        content = bytes(self.client().pread(4 << 20, 0))
        process = self.program("qemu-nbd")
        self.server.stop()
        self.gone(process)
        if kind == "qcow2":
            run("qemu-img", "check", "-f", kind, image)
        run("qemu-img", "convert", "-f", kind, "-O", "raw", image, raw)
        self.assert_same(raw.read_bytes(), content, kind)

    @unittest.skipUnless(shutil.which("qemu-nbd"), "needs qemu-nbd")
    def test_qcow2(self):
        self.qemu("qcow2")

    @unittest.skipUnless(shutil.which("qemu-nbd"), "needs qemu-nbd")
    def test_vmdk(self):
        self.qemu("vmdk")

    def test_one_that_is_killed_is_started_again(self):
        """Also in the sandbox, in which the server itself may start nothing."""
        disk = self.sparse_file("disk.img", SIZE)
        self.server = self.serve([export(command=["nbdkit", "file", str(disk)])])
        client = self.client()
        self.logged('opened export "disk"')  # by now the log tells of the one that it uses
        process = self.program("nbdkit")
        for number in range(3):
            client.pwrite(bytes([number + 1]) * 4096, 4096 * number)
            os.kill(process, signal.SIGKILL)
            self.gone(process)
            self.assertEqual(bytes(client.pread(4096, 4096 * number)), bytes([number + 1]) * 4096)
            process = self.program("nbdkit", other_than=process)
            self.logged("nbdkit has been ended by the signal Killed")
            with self.assertRaises(nbd.Error):
                client.flush()
            client.flush()
        client.shutdown()

    def test_nothing_is_left_behind(self):
        scratch = self.folder / "scratch"
        scratch.mkdir()
        self.server = self.serve([export(command=["nbdkit", "memory", "1M"])], environment={"TMPDIR": str(scratch)})
        process = self.program("nbdkit")
        helper = int(pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        self.assertEqual(len(list(pathlib.Path(f"/proc/{helper}/fd").iterdir())), 7)
        self.assertEqual(os.listdir(scratch), [])
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stopped = True
        self.server.process.wait()
        self.server.process.stdout.close()
        self.gone(helper)
        self.gone(process)

    def test_one_that_is_stopped_ends_with_the_server(self):
        for reads in (False, True):
            with self.subTest(reads=reads):
                self.server = self.serve([export(command=["nbdkit", "memory", "1M"])],
                                         control=f"unix:{self.folder}/control.sock")
                process = self.program("nbdkit")
                self.stop_over_a_silent_one(process, reads)
                self.gone(process)

    def test_it_stays_when_the_server_hears_ctrl_c(self):
        self.server = self.serve([export(command=["nbdkit", "memory", "1M"])])
        process = self.program("nbdkit")
        self.assertNotEqual(os.getsid(process), os.getsid(self.server.pid))
        self.server.stop(signal.SIGINT)
        self.gone(process)

    def test_what_it_prints_is_logged(self):
        script = "echo one >&2; echo two; printf 'three and no end' >&2; exec nbdkit memory 1M"
        self.server = self.serve([export(command=["sh", "-c", script])])
        for line in ("one", "two", "three and no end"):
            if line.startswith("three"):
                self.server.stop()
            self.logged(f"info disk/nbd: sh: {line}")
        self.logged("sh has ended with exit code 0")

    def test_what_it_prints_that_is_no_text_is_logged_as_text(self):
        script = r"printf 'a\000b\377c\303\251\303\n'; exec nbdkit memory 1M"
        self.server = self.serve([export(command=["sh", "-c", script])])
        self.logged(r"info disk/nbd: sh: a.*\n")
        self.assertIn("sh: a\\x00b\\xffc\u00e9\\xc3\n", self.server.log_path.read_bytes().decode())

    def test_programs_that_are_no_servers(self):
        def says(words, text, **more):
            with self.subTest(words=words):
                self.assertRegex(self.refused(export(command=words, **more)), f'key "command": .*{text}')

        says(["no-such-program"], r"there is no program no-such-program in \$PATH")
        says([str(self.folder)], "is no program that can be started")
        says(["false"], "false cannot be reached: false has ended with exit code 1")
        says(["sh", "-c", "echo out of order >&2; exit 3"], "has ended with exit code 3; it said: out of order\n")
        says(["sh", "-c", "echo out of order >&2; echo usage; echo see the manual; exit 3"],
             "has ended with exit code 3; it said: out of order … see the manual")
        says(["sleep", "100"], "the server does not answer", timeout="300ms")
        script = self.write("garbage.py", "import socket\nsocket.socket(fileno=3).accept()[0].sendall(b'this is no server at all' * 9)\n")
        says(["/usr/bin/python3", str(script)], "python3 cannot be reached: ")
        broken = self.write("broken", "#!/no/such/interpreter\n")
        broken.chmod(0o755)
        says([str(broken)], "broken cannot be started: No such file")

    def test_it_runs_as_the_user_that_the_server_becomes(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.folder.chmod(0o777)
        self.server = self.serve([export(command=["nbdkit", "memory", "1M"])], user="nobody")
        self.client().pwrite(b"x" * 512, 0)
        status = pathlib.Path(f"/proc/{self.program('nbdkit')}/status").read_text()
        uid = pathlib.Path(f"/proc/{self.server.pid}").stat().st_uid
        self.assertNotEqual(uid, 0)
        self.assertRegex(status, rf"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n")

    def test_in_a_sandbox_none_is_started_that_was_not_there_before(self):
        if os.environ.get("ASHLAR_SANITIZE"):
            return  # a server with a sanitizer has no seccomp
        self.server = self.serve([config.memory_export(SIZE)], control=f"unix:{self.folder}/control.sock",
                                 sandbox={"mode": "auto", "connect": True})
        if "no seccomp" in self.server.log():
            self.skipTest("needs seccomp")
        self.write("0.toml", config.toml([config.memory_export(SIZE), export(name="new", command=["nbdkit", "memory", "1M"])],
                                         listen=[f"unix:{self.folder}/0.sock"], control=f"unix:{self.folder}/control.sock",
                                         sandbox={"mode": "auto", "connect": True}))
        done = run(PROGRAM, "reload", "--control", f"unix:{self.folder}/control.sock", ok=False)
        self.assertIn("from within the server's sandbox no program can be started", done.stdout)


class Tls(Nbd):
    """Certificates are those of tests/interop/lib/tls.py: of a server that is called localhost and 127.0.0.1."""

    def secured(self, **more):
        """An ashlar that wants TLS, at a unix socket and by tcp; {kind: uri}."""
        self.disk = self.folder / "below.img"
        self.disk.write_bytes(images.pattern(SIZE))
        server = self.serve([config.file_export(self.disk)], listen=[f"unix:{self.folder}/below.sock", "tcp:127.0.0.1:0"],
                            tls=tls.settings(**more))
        return {"unix": f"nbds+unix:///disk?socket={server.socket}", "tcp": server.uri("disk", "tcp").replace("nbd:", "nbds:")}

    def assert_served(self, one):
        self.server = self.serve([one])
        self.assert_same(bytes(self.client(one["name"]).pread(SIZE, 0)), images.pattern(SIZE))
        self.server.stop()

    def test_certificates(self):
        uris, mine = self.secured(), str(tls.client_folder())
        self.assert_served(export(uris["tcp"], certificates=mine))
        self.assert_served(export(uris["tcp"].replace("127.0.0.1", "localhost"), certificates=mine))
        self.assert_served(export(uris["unix"], certificates=mine, server_name="localhost"))
        self.assert_served(export(uris["unix"].replace("nbds", "nbd"), certificates=mine, server_name="localhost", tls="require"))
        self.assert_served(export(uris["unix"], certificates=mine, verify=False))

    def test_another_server_is_found_out(self):
        uris, mine = self.secured(), str(tls.client_folder())
        other = self.folder / "other"
        tls.make(other, "--server", "localhost", "--client", "host1")
        for kind in ("tcp", "unix"):
            with self.subTest(kind=kind):
                name = {"server_name": "localhost"} if kind == "unix" else {}
                wrong_authority = self.folder / f"mixed-{kind}"
                shutil.copytree(mine, wrong_authority)
                shutil.copy(other / "ca-cert.pem", wrong_authority / "ca-cert.pem")
                self.assertRegex(self.refused(export(uris[kind], certificates=str(wrong_authority), **name)), "[Cc]ertificate")
                self.assertRegex(self.refused(export(uris[kind], certificates=mine, server_name="example.org")), "[Cc]ertificate")

    def test_pre_shared_keys(self):
        uris, keys = self.secured(), str(tls.folder() / "keys.psk")
        for kind in ("tcp", "unix"):
            self.assert_served(export(uris[kind], psk=keys, user="alice"))
        wrong = self.write("wrong.psk", "alice:" + "00" * 32 + "\n")
        said = self.refused(export(uris["unix"], psk=str(wrong), user="alice"))
        self.assertIn("cannot be reached", said)
        self.assertNotIn("0000", said)
        self.assertIn("bob was not found", self.refused(export(uris["unix"], psk=keys, user="bob")))

    def test_nbdkit(self):
        mine = str(tls.client_folder())
        _, uri = self.nbdkit("--tls=require", f"--tls-certificates={tls.folder()}/server", "--tls-verify-peer", "pattern", "1M")
        self.server = self.serve([export(uri, tls="require", certificates=mine, server_name="localhost")])
        self.assertEqual(bytes(self.client().pread(8, 8)), (8).to_bytes(8, "big"))
        self.server.stop()
        _, uri = self.nbdkit("--tls=require", f"--tls-psk={tls.folder()}/keys.psk", "pattern", "1M", at="psk.sock")
        self.server = self.serve([export(uri.replace("nbd+", "nbds+"), psk=str(tls.folder() / "keys.psk"), user="alice")])
        self.assertEqual(bytes(self.client().pread(8, 8)), (8).to_bytes(8, "big"))

    def test_one_that_speaks_none(self):
        uri, mine = self.far(), str(tls.client_folder())
        said = self.refused(export(uri, tls="require", certificates=mine, server_name="localhost"))
        self.assertRegex(said, "cannot be reached: .*TLS")
        self.server = self.serve([export(uri, tls="allow", certificates=mine, server_name="localhost")])
        self.client().pread(512, 0)

    def test_who_wants_it_says_so(self):
        below = self.serve([config.memory_export(SIZE, "disk")], tls=tls.settings())
        self.assertRegex(self.refused(export(unix(below.socket, "disk"))), "cannot be reached: .*TLS")


class Killed(Nbd):
    """A server that loses what was not flushed, killed and started again while clients work."""

    WRITERS, BLOCKS = 3, 64  # each has blocks of its own

    def begin(self):
        self.below = Server([self.write("below.toml", config.toml(
            [config.file_export(self.disk, filters=[{"type": "fault", "volatile": True}])], listen=[f"unix:{self.folder}/below.sock"]))],
            self.folder / "below.log")

    def end(self):
        self.below.process.kill()
        self.below.process.wait()
        self.below.process.stdout.close()

    def write_on(self, number, client):
        """Until told to stop: writes blocks, and flushes; what a flush has covered must be there from then on, and nothing in a block
        but what was written there."""
        chance = random.Random(number)
        durable, written = {}, {}  # block: number of the write; written: those since the last flush, in order
        try:
            while not self.stops.is_set() or written:
                block = chance.randrange(self.BLOCKS)
                if chance.random() < 0.5:
                    self.check(number, client, block, durable, written)
                for block in chance.sample(range(self.BLOCKS), 8):
                    self.counts[number] += 1
                    client.pwrite(self.content(number, block, self.counts[number]), self.place(number, block))
                    written.setdefault(block, []).append(self.counts[number])
                self.held.add(number)
                self.goes_on.wait(PATIENCE)
                self.held.discard(number)
                try:
                    client.flush()
                except nbd.Error:
                    self.failed_flushes += 1
                    # Any of them may be there; which, a read tells, and a flush makes it last.
                    for block in list(written):
                        written[block] = [self.check(number, client, block, durable, written)]
                    continue
                durable.update({block: numbers[-1] for block, numbers in written.items()})
                written.clear()
            for block in durable:
                self.check(number, client, block, durable, written)
            client.shutdown()
        except BaseException as error:
            self.errors.append(error)
            raise

    @staticmethod
    def content(number, block, count):
        return f"{number} {block} {count};".encode().ljust(4096, b".")

    def place(self, number, block):
        return (number * self.BLOCKS + block) * 4096

    def check(self, number, client, block, durable, written):
        """Which write of the block is there."""
        found = bytes(client.pread(4096, self.place(number, block)))
        count = int(found.split(b";")[0].split()[2]) if found[0] else 0
        if count:
            self.assert_same(found, self.content(number, block, count), "torn")
        self.assertIn(count, [durable.get(block, 0), *written.get(block, [])], f"block {block} of writer {number}: a flush is lost")
        return count

    def test_no_acknowledged_flush_is_lost(self):
        self.disk = self.sparse_file("disk.img", self.WRITERS * self.BLOCKS * 4096)
        self.errors, self.counts, self.failed_flushes, self.held = [], [0] * self.WRITERS, 0, set()
        self.stops, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()
        self.begin()
        self.addCleanup(lambda: self.below.alive() and self.end())
        self.server = self.serve([export(unix(self.folder / "below.sock", "disk"), connections=2)])
        clients = [self.client() for _ in range(self.WRITERS)]
        writers = [threading.Thread(target=self.write_on, args=pair) for pair in enumerate(clients)]
        for writer in writers:
            writer.start()
        for kill in range(KILLS):
            before = list(self.counts)
            self.wait_until("all have written", lambda: self.errors or all(now > then + 8 for now, then in zip(self.counts, before)))
            if kill % 2 == 0:  # all have written what they have not flushed
                self.goes_on.clear()
                self.wait_until("all are held", lambda: self.errors or len(self.held) == self.WRITERS)
            else:  # anywhere in their work
                time.sleep(random.Random(kill).random() * 0.02)
            self.end()
            self.begin()
            self.goes_on.set()
            if self.errors:
                break
        self.stops.set()
        for writer in writers:
            writer.join(PATIENCE)
        self.assertEqual(self.errors, [])
        self.assertGreaterEqual(self.failed_flushes, self.WRITERS)
        print(f"{KILLS} kills, {sum(self.counts)} writes, {self.failed_flushes} flushes failed", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        run_at_once(sorted({name.split(".")[0] for name in names_of_tests()}))  # they wait more than they work
    main(needs=("nbdkit",))
