#!/usr/bin/env python3
"""The filter cow in a server: what its operator tells it, with clients connected, and what is there after a restart."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib import config, processes  # noqa: E402
from lib.config import file_export, memory_export  # noqa: E402
from lib.server import PROGRAM, SANITIZED  # noqa: E402
from lib.storage import Storage  # noqa: E402

SIZE = 1 << 20
BASE = b"b" * SIZE
TWO_BLOCKS = b"1" * 65536 + BASE[:65536] + b"1" * 65536
PATIENCE = 60  # seconds; only a failure takes so long


class Cow(Case):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk.img"
        self.disk.write_bytes(BASE)

    def start(self, *below, read_only=False, **cow):
        """A server of one export: a cow over the filters `below` over the disk."""
        export = file_export(self.disk, filters=[{"type": "cow", **cow}, *below], read_only=read_only)
        self.server = self.serve([export], control=f"unix:{self.folder}/control.sock")

    def ashlar(self, *verb, code=0, layer="disk/cow"):
        """What the verb answers; the command has to end with `code`."""
        return self.run_ashlar("control", "--control", f"unix:{self.folder}/control.sock", layer, *verb, code=code)

    def run_ashlar(self, *words, code):
        done = subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr if code else done.stdout

    def config_of(self, *exports):
        return self.write("config.toml", config.toml(exports, listen=[f"unix:{self.folder}/not.sock"]))

    def kept(self, name="disk.cow"):
        return {"type": "cow", "scope": "export", "path": str(self.folder / name)}

    def connected(self):
        client = libnbd.connect(self.server.uri("disk"))
        self.addCleanup(client.shutdown)
        return client

    def write_two_blocks(self, client):
        """A commit writes them one after the other, for there is one between them."""
        client.pwrite(TWO_BLOCKS[:65536], 0)
        client.pwrite(TWO_BLOCKS[131072:], 131072)

    def test_commit_with_a_client_that_goes_on(self):
        overlay = self.folder / "disk.cow"
        self.start(scope="export", path=str(overlay), block_size="4K")
        client = self.connected()
        client.pwrite(b"1" * 10_000, 5000)
        client.flush()
        self.assertEqual(self.disk.read_bytes(), BASE)
        self.assertIn("allocated 12288\n", self.ashlar("status"))
        self.assertEqual(self.ashlar("commit"), "12288 bytes committed\n")
        expected = BASE[:5000] + b"1" * 10_000 + BASE[15_000:]
        self.assertEqual(self.disk.read_bytes(), expected)
        self.assertIn("allocated 0\n", self.ashlar("status"))
        self.assert_same(bytes(client.pread(SIZE, 0)), expected)
        client.pwrite(b"2" * 512, 0)
        self.assertEqual(self.disk.read_bytes(), expected)
        client.flush()
        self.server.stop()
        self.start(scope="export", path=str(overlay), block_size="4K")
        self.assert_same(bytes(self.connected().pread(SIZE, 0)), b"2" * 512 + expected[512:])

    def test_discard_with_a_client_that_goes_on(self):
        self.start(scope="export", store=str(self.folder))
        client = self.connected()
        client.pwrite(b"1" * 512, 70_000)
        self.assertIn("allocated 65536\n", self.ashlar("status"))
        self.assertEqual(self.ashlar("discard"), "65536 bytes discarded\n")
        self.assert_same(bytes(client.pread(SIZE, 0)), BASE)
        self.assertIn("only an overlay with path can be committed", self.ashlar("commit", code=1))
        client.pwrite(b"2" * 512, 0)
        self.assert_same(bytes(client.pread(1024, 0)), b"2" * 512 + BASE[:512])
        self.assertEqual(self.disk.read_bytes(), BASE)

    def test_each_connection_has_its_own(self):
        self.start(scope="connection", store=str(self.folder))
        one, other = self.connected(), self.connected()
        one.pwrite(b"1" * 512, 0)
        self.assertEqual(bytes(other.pread(512, 0)), BASE[:512])
        self.assertEqual(bytes(one.pread(512, 0)), b"1" * 512)
        self.assertIn("each connection has an overlay of its own", self.ashlar("status", code=1))

    def test_commit_over_an_overlay_of_each_connection_is_refused(self):
        self.start({"type": "cow", "scope": "connection", "store": str(self.folder)}, **self.kept())
        client = self.connected()
        client.pwrite(b"1" * 512, 0)
        refusal = self.ashlar("commit", code=1, layer="disk/cow#1")
        self.assertIn("what is written here would be gone with its connection", refusal)
        told = self.ashlar("status", layer="disk/cow#1")
        self.assertIn("allocated 65536\n", told)
        self.assertNotIn("commit unfinished", told)
        self.assertEqual(bytes(client.pread(1024, 0)), b"1" * 512 + BASE[:512])
        self.assertEqual(self.disk.read_bytes(), BASE)

    def test_commit_into_an_overlay_that_is_not_kept_is_warned_of(self):
        self.start({"type": "cow", "scope": "export", "store": str(self.folder)}, **self.kept())
        client = self.connected()
        client.pwrite(b"1" * 512, 0)
        self.assertNotIn("is gone with the server", self.server.log())
        self.ashlar("commit", layer="disk/cow#1")
        self.wait_until("the log has it", lambda: "what that writes here is gone with the server" in self.server.log())
        self.assertEqual(bytes(client.pread(1024, 0)), b"1" * 512 + BASE[:512])

    def test_commit_into_an_overlay_that_is_kept(self):
        self.start(self.kept("below.cow"), scope="export", path=str(self.folder / "above.cow"))
        client = self.connected()
        client.pwrite(b"1" * 512, 0)
        self.assertEqual(self.ashlar("commit", layer="disk/cow#1"), "65536 bytes committed\n")
        self.assertIn("allocated 65536\n", self.ashlar("status", layer="disk/cow#2"))
        self.server.stop()
        self.start(self.kept("below.cow"), scope="export", path=str(self.folder / "above.cow"))
        self.assertEqual(bytes(self.connected().pread(1024, 0)), b"1" * 512 + BASE[:512])
        self.assertEqual(self.disk.read_bytes(), BASE)

    def test_what_nobody_has_flushed_is_there_after_a_stop(self):
        self.start(**self.kept())
        self.connected().pwrite(b"1" * 512, 0)
        self.server.stop()
        self.start(**self.kept())
        self.assertEqual(bytes(self.connected().pread(1024, 0)), b"1" * 512 + BASE[:512])

    def test_what_nobody_has_flushed_outlives_a_server_that_was_killed(self):
        overlay, tail = self.folder / "disk.cow", 72 + 8 + 4096
        self.start(**self.kept())
        end = overlay.stat().st_size
        client = libnbd.connect(self.server.uri("disk"))
        client.pwrite(b"1" * 512, 0)
        client.shutdown()
        self.wait_until("the server has seen it leave", lambda: overlay.stat().st_size == end + tail)
        self.server.process.kill()
        self.server.process.wait()
        self.server.stopped = True
        for _ in range(2):  # the first one ends before anybody comes
            self.start(**self.kept())
            self.server.stop()
            self.assertEqual(overlay.stat().st_size, end)
        self.start(**self.kept())
        self.assertEqual(bytes(self.connected().pread(1024, 0)), b"1" * 512 + BASE[:512])

    @unittest.skipIf(os.geteuid() != 0, "needs root: mounts a small file system")
    def test_on_a_full_disk_what_was_written_can_be_flushed_and_discarded(self):
        os.truncate(self.disk, 4 << 20)
        base = self.disk.read_bytes()
        folder = self.enterContext(Storage("tmpfs")).folder / "mounted"
        with open(folder / "others", "wb") as others:
            os.posix_fallocate(others.fileno(), 0, shutil.disk_usage(folder).free - (1 << 20))
        kept = {"scope": "export", "path": str(folder / "disk.cow")}
        self.start(**kept)
        client, written = self.connected(), 0
        with self.assertRaisesRegex(libnbd.Error, "No space left"):
            while True:
                client.pwrite(b"1" * 65536, written)
                written += 65536
        self.assertGreater(written, 0)
        client.flush()
        self.server.stop()
        self.start(**kept)
        self.assertEqual(bytes(self.connected().pread(len(base), 0))[:written], b"1" * written)
        self.assertEqual(self.ashlar("discard"), f"{written} bytes discarded\n")
        self.assertEqual(bytes(self.connected().pread(len(base), 0)), base)

    def test_discard_while_a_commit_is_unfinished(self):
        faults = {"type": "fault", "rules": ["write error=ENOSPC after=1 times=1"]}
        own = {"scope": "export", "path": str(self.folder / "disk.cow")}
        self.start(faults, **own)
        client = self.connected()
        self.write_two_blocks(client)
        self.assertIn("No space left", self.ashlar("commit", code=1))
        refusal = self.ashlar("discard", code=1)
        for words in ("a commit is unfinished", "commit again", "discard force"):
            self.assertIn(words, refusal)
        self.assertEqual(bytes(client.pread(len(TWO_BLOCKS), 0)), TWO_BLOCKS)
        self.assertIn('no argument but "force"', self.ashlar("discard", "now", code=2))
        self.assertEqual(self.ashlar("discard", "force"), "131072 bytes discarded\n")
        self.wait_until("the log has it", lambda: "the base stays changed in part" in self.server.log())
        changed = b"1" * 65536 + BASE[65536:]
        self.assertEqual(self.disk.read_bytes(), changed)
        client.pwrite(b"2" * 512, SIZE - 512)
        client.flush()
        self.server.stop()
        # What is kept now is an overlay over the base as it is now, which is told from another one from this start on.
        self.start(**own)
        self.assert_same(bytes(self.connected().pread(SIZE, 0)), changed[:-512] + b"2" * 512)
        self.server.stop()
        self.disk.write_bytes(BASE)
        self.assertIn("was made over a base with other contents",
                      self.run_ashlar("check", self.config_of(file_export(self.disk, filters=[self.kept()])), code=2))

    def test_a_commit_that_was_unfinished_is_finished(self):
        self.start({"type": "fault", "rules": ["write error=ENOSPC after=1 times=1"]}, **self.kept())
        self.write_two_blocks(self.connected())
        self.assertIn("No space left", self.ashlar("commit", code=1))
        self.assertEqual(self.ashlar("commit"), "131072 bytes committed\n")
        self.assertEqual(self.ashlar("discard"), "0 bytes discarded\n")
        self.assertEqual(self.disk.read_bytes(), TWO_BLOCKS + BASE[len(TWO_BLOCKS):])

    def test_verbs_that_change_are_refused_where_the_export_is_read_only(self):
        own = {"scope": "export", "path": str(self.folder / "disk.cow")}
        self.start(**own)
        self.connected().pwrite(b"1" * 512, 0)
        self.server.stop()
        self.start(read_only=True, **own)
        for verb in ("commit", "discard"):
            self.assertIn("the export is read-only", self.ashlar(verb, code=1))
        self.assertIn("allocated 65536\n", self.ashlar("status"))

    def test_discard_is_refused_below_another_cow(self):
        self.start(self.kept("below.cow"), scope="connection", store=str(self.folder))
        self.assertIn("the layers above write nothing", self.ashlar("discard", code=1, layer="disk/cow#2"))

    def test_arguments_of_verbs(self):
        self.start(scope="export", store=str(self.folder))
        for verb in ("status", "commit"):
            self.assertIn('takes no argument, and was given "x=1"', self.ashlar(verb, "x=1", code=2))
        self.assertIn('was given "x=1"', self.ashlar("discard", "force", "x=1", code=2))

    def test_check_makes_no_file_for_a_layer_above_that_reads(self):
        disk = self.folder / "parted.img"
        disk.write_bytes(bytes(446) + bytes((0, 0, 0, 0, 0x83, 0, 0, 0)) + (1).to_bytes(4, "little") + (8).to_bytes(4, "little")
                         + bytes(48) + b"\x55\xaa" + b"p" * 4096)
        above = ([{"type": "partition", "number": 1}], [self.kept("above.cow")])
        for filters in above:
            with self.subTest(filters[0]["type"]):
                export = file_export(disk, filters=[*filters, self.kept()])
                self.run_ashlar("check", self.config_of(export), code=0)
                self.assertEqual(list(self.folder.glob("*.cow*")), [])
        # When it serves it is made, and what lies in it is what the layer above reads.
        server = self.serve([file_export(disk, filters=[*above[0], self.kept()])])
        client = libnbd.connect(server.uri("disk"))
        self.assertEqual(bytes(client.pread(4096, 0)), b"p" * 4096)
        client.shutdown()
        self.assertTrue((self.folder / "disk.cow").exists())

    def test_check_reads_through_an_overlay_that_a_server_has(self):
        # Only the overlay has a table of partitions.
        self.serve([file_export(self.disk, filters=[self.kept()])])
        client = libnbd.connect(self.servers[-1].uri("disk"))
        client.pwrite(bytes(446) + bytes((0, 0, 0, 0, 0x83, 0, 0, 0)) + (1).to_bytes(4, "little") + (8).to_bytes(4, "little")
                      + bytes(48) + b"\x55\xaa", 0)
        client.flush()
        overlay = self.folder / "disk.cow"
        before = overlay.read_bytes()
        over = self.config_of(file_export(self.disk, filters=[{"type": "partition", "number": 1}, self.kept()]))
        self.assertIn("4096", self.run_ashlar("check", over, code=0))
        overlay.chmod(0o400)  # read alone
        self.run_ashlar("check", over, code=0)
        self.assertEqual(overlay.read_bytes(), before)
        client.shutdown()

    def test_the_map_of_a_disk_of_1_TiB_takes_no_more_than_is_said(self):
        """At worst: a write for each page of what says which parts are there, and so for each of the map's."""
        self.disk.unlink()
        with self.disk.open("wb") as disk:
            disk.truncate(1 << 40)
        self.start(scope="export", store=str(self.folder))
        client = self.connected()
        client.pwrite(b"1" * 4096, 0)
        before = processes.resident_bytes(self.server.pid)
        for at in range(0, 1 << 40, 128 << 20):
            client.pwrite(b"1" * 4096, at)
        if not SANITIZED:  # which take memory of their own
            self.assertLessEqual(processes.resident_bytes(self.server.pid) - before, 40 << 20)

    def start_that_fails(self):
        """Of two overlays the first is made, or found; the other one another server has."""
        self.serve([memory_export("1M", "e", [self.kept("other.cow")])])
        both = self.config_of(memory_export("1M", "d", [self.kept()]), memory_export("1M", "e", [self.kept("other.cow")]))
        self.assertIn("other.cow is used by another server", self.run_ashlar("serve", both, code=2))

    def test_a_start_that_fails_leaves_no_file(self):
        self.start_that_fails()
        self.assertEqual(list(self.folder.glob("disk.cow*")), [])

    def test_a_start_that_fails_leaves_the_file_that_was_there(self):
        self.serve([memory_export("1M", "d", [self.kept()])], control=f"unix:{self.folder}/control.sock")
        self.ashlar("discard", layer="d/cow")  # who has told it something has used it
        self.servers[0].stop()
        self.start_that_fails()
        self.assertTrue((self.folder / "disk.cow").exists())

    def test_two_layers_with_one_file_are_refused(self):
        both = self.config_of(memory_export("1M", "d", [self.kept()]), memory_export("1M", "e", [self.kept()]))
        for command in ("check", "serve"):
            self.assertIn("is the overlay of the layer at line", self.run_ashlar(command, both, code=2))
        self.assertEqual(list(self.folder.glob("*.cow*")), [])

    def test_another_server_has_the_file(self):
        export = memory_export("1M", "d", [self.kept()])
        self.serve([export])
        self.assertIn("disk.cow is used by another server", self.run_ashlar("serve", self.config_of(export), code=2))

    def test_check_tells_where_no_file_could_be_made(self):
        (self.folder / "a.file").touch()
        lacking, a_file = str(self.folder / "lacking"), str(self.folder / "a.file")
        for key, value, own in (("store", lacking, {"type": "cow", "scope": "export"}),
                                ("store", a_file, {"type": "cow", "scope": "connection"}),
                                ("path", f"{lacking}/x.cow", {"type": "cow", "scope": "export"}),
                                ("path", f"{a_file}/x.cow", {"type": "cow", "scope": "export"}),
                                ("store", lacking, {"type": "cache"}), ("store", a_file, {"type": "cache"})):
            with self.subTest(f"{own['type']}: {key} = {value}"):
                told = self.run_ashlar("check", self.config_of(memory_export("1M", "d", [{**own, key: value}])), code=2)
                self.assertIn(value, told)
                self.assertIn(f'"{key}"', told)

    def test_the_smallest_max_size_is_a_block(self):
        self.assertIn("# max_size = 65536 ", self.run_ashlar("inspect", "cow", code=0))

    def test_a_reload_cannot_change_an_export_whose_overlay_is_kept(self):
        file = self.folder / "0.toml"
        self.serve([memory_export("1M", "d", [self.kept()])], control=f"unix:{self.folder}/control.sock")
        reload = ["reload", "--control", f"unix:{self.folder}/control.sock"]
        before = file.read_text()
        changed = before.replace('scope = "export"', 'scope = "export"\n  on_read = true')
        client = libnbd.connect(self.servers[0].uri("d"))
        client.pwrite(b"1" * 512, 0)
        file.write_text(changed)
        told = self.run_ashlar(*reload, code=2)
        self.assertIn("is used by this server already", told)
        self.assertIn("restart the server", told)
        file.write_text(before.replace('"d"', '"e"').replace("disk.cow", "other.cow"))
        self.run_ashlar(*reload, code=0)
        client.shutdown()
        self.wait_until("the client is gone", lambda: 'closed export "d"' in self.servers[0].log())
        file.write_text(changed)
        self.wait_until("the export is back", lambda: subprocess.run([PROGRAM, *reload], capture_output=True).returncode == 0)
        client = libnbd.connect(self.servers[0].uri("d"))
        self.assertEqual(bytes(client.pread(1024, 0)), b"1" * 512 + bytes(512))
        client.shutdown()


if __name__ == "__main__":
    main()
