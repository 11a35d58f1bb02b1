"""What the plugin rbd does when Ceph does not answer: requests wait, then fail; no byte is wrong; the server ends."""

import itertools
import os
import re
import signal
import subprocess

from frame import MIB, OBJECT, PATIENCE, OverCeph
from lib import config, libnbd, processes
from lib.libnbd import nbd
from lib.processes import run
from lib.server import PROGRAM


class Silence(OverCeph):
    """The OSD is there and answers nothing."""

    def halted(self, which="osd"):
        self.ceph.halt(which)
        self.addCleanup(self.ceph.wait_until_up)
        self.addCleanup(self.ceph.go_on, which)

    def test_requests_fail_after_the_timeout_and_go_on_behind_it(self):
        image = self.image()
        self.server = self.serve([self.export(image, timeout="1s")])
        client = self.connect()
        client.pwrite(b"a" * 4096, 0)
        self.halted()
        for ask in (lambda: client.pread(4096, 0), lambda: client.pwrite(b"b" * 4096, 8192), client.flush,
                    lambda: client.zero(4096, 0), lambda: client.trim(OBJECT, 0), lambda: libnbd.extents(client, MIB, 0)):
            with self.assertRaises(nbd.Error):
                ask()
        self.wait_for_log("the cluster has not answered for 1 s")
        with self.assertRaises(nbd.Error):  # opening takes no longer
            self.connect()
        self.ceph.go_on("osd")
        self.wait_until("requests are answered", lambda: self.answers(client))
        # What was given up is done now, or is not: what is written from here on holds.
        client.pwrite(b"c" * 4096, 8192)
        self.assertEqual(bytes(client.pread(4096, 8192)), b"c" * 4096)
        self.assertEqual(self.connect().get_size(), 64 * MIB)

    def answers(self, client):
        try:
            client.pread(1, 0)
            return True
        except nbd.Error:
            return False

    def test_a_late_answer_reaches_nobody(self):
        """What a read was given up for has come to be somebody else's memory."""
        image = self.image()
        command = [os.environ["ASHLAR_LATE_ANSWER"], os.environ["ASHLAR_RBD"], self.ceph.conf, image]
        reader = processes.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(reader.communicate)
        self.addCleanup(reader.kill)
        for said, then in (("asking", self.halted), ("given up", lambda: self.ceph.go_on("osd"))):
            self.assertEqual(reader.stdout.readline(), said + "\n")
            then()
            reader.stdin.write("\n")
            reader.stdin.flush()
        self.assertEqual(reader.wait(PATIENCE), 0)

    def test_who_asks_for_a_snapshot_waits_no_longer_when_librados_lets_nobody_ask(self):
        """A hole is read without the OSD, but not the answer whether the snapshot is there."""
        image = self.image()
        self.server = self.serve([self.export(image), self.export(image, "past", snapshot="then", timeout="1s", optional=True,
                                                                  options=["objecter_inflight_ops=1"])])
        self.connect().pwrite(b"x", 0)
        self.ceph.rbd("snap", "create", f"{image}@then")
        client = self.connect("past")
        self.halted()
        for place in (0, OBJECT):
            errors = []
            client.aio_pread(nbd.Buffer(1), place, lambda error, errors=errors: errors.append(error) or 1)
            self.wait_until("the read fails", lambda: client.poll(100) and errors)
            self.assertNotEqual(errors, [0])

    def test_a_client_that_goes_away_ends_its_reads(self):
        image = self.image()
        self.server = self.serve([self.export(image, timeout="3600s")])
        client = libnbd.connect(self.server.uri("disk"))
        self.connect().pwrite(b"x", 0)
        self.halted()
        client.aio_pread(nbd.Buffer(4096), 0)
        del client
        self.wait_for_log('closed export "disk"')

    def test_a_server_that_is_told_to_stop_ends_within_five_seconds(self):
        """Requests under way are given up; the image, which cannot be closed, is named and left behind."""
        image = self.image()
        self.server = self.serve([self.export(image)])
        client = self.connect()
        client.pwrite(b"x" * 4096, 0)
        self.halted()
        for n in range(8):
            client.aio_pwrite(nbd.Buffer(4096), 4096 * n)
            client.aio_pread(nbd.Buffer(4096), 4096 * n)
        client.aio_flush()
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(PATIENCE), 1)
        self.server.stopped = True
        self.server.process.stdout.close()
        began, ended = (self.time_of(text) for text in ("SIGTERM: stopping", "left behind: "))
        self.assertLessEqual(ended - began, 5)
        self.assertRegex(self.server.log(), r'left behind: .*rbd.*export "disk"|left behind: .*"disk".*rbd')

    def time_of(self, text):
        """When the log has told it, in seconds of the day."""
        found = re.search(rf"^\S+ (\d+):(\d+):(\d+\.\d+) \w+ .*{re.escape(text)}", self.server.log(), re.MULTILINE)
        self.assertIsNotNone(found, self.server.log())
        hours, minutes, seconds = found.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    def test_an_export_that_cannot_be_opened_is_refused(self):
        """The monitor answers and the OSD does not, so librbd neither opens the image nor ends."""
        image = self.image()
        self.halted()
        self.assertIn("the cluster was asked in vain", self.refused(self.export(image, timeout="1s")))

    def test_an_image_that_cannot_be_probed(self):
        image = self.image()
        self.halted()
        done = run("env", f"CEPH_CONF={self.ceph.conf}", PROGRAM, "probe", "--plugin", "rbd", f"rbd/{image}", ok=False,
                   timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(f"rbd/{image}: Connection timed out", done.stdout)

    def test_an_optional_export_that_cannot_be_opened_keeps_nobody_waiting(self):
        """Neither at the start, nor in a check or reload, nor at the end."""
        image = self.image()
        memory = {"name": "memory", "plugin": {"type": "memory", "size": "1M"}}
        optional = self.export(image, timeout="1s", optional=True)
        control = f"unix:{self.folder}/control.sock"
        self.halted()
        self.server = self.serve([memory, optional], control=control)
        self.wait_for_log("it is optional, and will be tried again for each client")
        self.assertEqual(self.connect("memory").get_size(), MIB)
        told = run(PROGRAM, "check", self.folder / "0.toml", timeout=PATIENCE)
        self.assertRegex(told, r"OK: \S*0\.toml: 2 exports\n")
        for exports, code in (([memory, self.export(image, timeout="1s")], 2), ([memory, optional], 0)):
            with self.subTest(code=code):
                self.write("0.toml", config.toml(exports, listen=[f"unix:{self.folder}/0.sock"], control=control))
                done = run(PROGRAM, "reload", "--control", control, ok=False, timeout=PATIENCE)
                self.assertEqual(done.returncode, code, done.stdout)
        self.ceph.go_on("osd")
        self.wait_until("the export is served", self.is_served)
        self.halted()
        self.server.stop()  # with exit code 0: nothing has been written
        self.assertIn("what was opened is left to be closed", self.server.log().rpartition("SIGTERM")[2])

    def is_served(self):
        try:
            self.connect()
            return True
        except nbd.Error:
            return False

    def test_a_cluster_that_is_not_there(self):
        told = self.refused(self.export("any", conf=str(self.write("none.conf",
                                                                   "[global]\nmon host = v1:127.0.0.1:1\nauth client required = none\n")),
                                        timeout="1s"))
        self.assertRegex(told, r"conf.*the cluster \(mon_host = v1:127.0.0.1:1\) cannot be reached|the cluster was asked in vain")

    def test_monitors_that_are_gone(self):
        """What the OSDs know goes on; nobody new comes."""
        image = self.image()
        self.server = self.serve([self.export(image, timeout="1s"), self.export(self.image(), "other", optional=True, timeout="1s")])
        client = self.connect()
        client.pwrite(b"a" * 4096, 0)
        self.halted("mon")
        client.pwrite(b"b" * 4096, 0)
        self.assertEqual(bytes(client.pread(4096, 0)), b"b" * 4096)
        with self.assertRaises(nbd.Error):
            self.connect("other")


class Full(OverCeph):
    def ratios(self, *some):
        for name, ratio in zip(("nearfull", "backfillfull", "full"), some):
            self.ceph.ceph("osd", f"set-{name}-ratio", ratio)

    def test_a_cluster_that_is_full(self):
        image = self.image("1G")
        self.server = self.serve([self.export(image)])
        client = self.connect()
        client.pwrite(os.urandom(16 * MIB), 0)
        self.addCleanup(self.ratios, 0.85, 0.9, 0.95)
        self.ratios(0.001, 0.002, 0.003)
        refused, places = [], itertools.count(4)

        def is_full():
            try:
                turn, number = divmod(next(places), 256)
                client.pwrite(b"x" * 4096, number * OBJECT + turn * 4096)  # where nothing is yet: other writes need no space
                return False
            except nbd.Error as error:
                refused.append(error.errno)
                return True

        self.wait_until("writes are refused", is_full)
        self.assertEqual(refused, ["ENOSPC"])
        client.pread(4096, 0)
        self.ratios(0.85, 0.9, 0.95)
        self.wait_until("writes are taken again", lambda: not is_full())
