"""What a reload does to the server itself: its addresses, its log, its limits, its TLS, and what a service manager hears."""

import os
import signal
import socket
import stat
import subprocess
import time

from reloading import PATIENCE, PROGRAM, READ, Reloading, config, libnbd, main, wire
from lib import ports

KEEP = config.memory_export("1M", "keep")


class Addresses(Reloading):
    def exports(self):
        return [KEEP]

    def listen(self, *names):
        return [f"unix:{self.folder}/{name}.sock" for name in names]

    def test_new_ones_are_opened_removed_ones_closed_and_the_others_stay_open(self):
        old = self.folder / "0.sock"
        inode = os.stat(old).st_ino
        said = self.reload([KEEP], listen=self.listen("0", "1"))
        self.assertEqual((said["listening"], said["closed"]), (self.listen("1"), []))
        self.assertEqual(os.stat(old).st_ino, inode)
        with self.at("1") as client:
            self.assertEqual(client.ask(READ, 0, 4), bytes(4))
            said = self.reload([KEEP], listen=self.listen("1"))
            self.assertEqual((said["listening"], said["closed"]), ([], self.listen("0")))
            self.assertFalse(old.exists())
            self.assertEqual(client.ask(READ, 0, 4), bytes(4))
        self.reload([KEEP])

    def at(self, name):
        class Other:
            def endpoint(self, _kind):
                return self.path

        other = Other()
        other.path = str(self.folder / f"{name}.sock")
        return wire.Client(other).go("keep")

    def test_the_control_socket_moves_and_who_asked_is_answered(self):
        there = self.folder / "there.sock"
        said = self.reload([KEEP], control=f"unix:{there}")
        self.assertEqual((said["listening"], said["closed"]), ([f"unix:{there}"], [f"unix:{self.control}"]))
        self.assertFalse(self.control.exists())
        self.control = there
        self.assertEqual(stat.S_IMODE(os.stat(there).st_mode), 0o600)
        self.assertEqual(self.export("keep")["name"], "keep")

    def test_figures_are_told_at_another_address(self):
        there = self.folder / "figures.sock"
        self.reload([KEEP], metrics=f"unix:{there}")
        self.assertFalse(self.metrics.exists())
        self.metrics = there
        self.assertIn("ashlar_clients", self.figures())

    def test_one_that_the_server_itself_blocks_is_told_so(self):
        port = ports.free()
        self.reload([KEEP], listen=[*self.listen("0"), f"tcp:127.0.0.1:{port}"])
        told = self.refused([KEEP], listen=[*self.listen("0"), f"tcp::{port}"])
        self.assertIn("by this server itself", told)

    def test_other_rights_of_a_socket_need_a_restart(self):
        said = self.reload([KEEP], listen=[{"unix": str(self.folder / "0.sock"), "mode": "0600"}])
        self.assertEqual(said["after_restart"], ["listen"])
        self.assertEqual(self.reload([KEEP], listen=[{"unix": str(self.folder / "0.sock"), "mode": "0600"}])["after_restart"], ["listen"])
        self.assertEqual(self.reload([KEEP])["after_restart"], [])


class Settings(Reloading):
    def exports(self):
        return [KEEP]

    def test_the_log_level_is_the_configs_unless_an_operator_has_set_another_since(self):
        self.assertEqual(self.reload([KEEP], log_level="debug")["server"], ["log_level"])
        with wire.Client(self.server) as probe:
            probe.greet()
        self.wait_for_line("ended in the handshake")
        self.ashlar("log-level", "error")
        self.assertEqual(self.reload([KEEP, config.memory_export("1M", "unseen")], log_level="debug")["server"], [])
        self.reload([KEEP], log_level="info")
        self.wait_for_line("removed")
        self.assertNotIn("added", self.server.log())

    def test_limits_change_for_those_who_come(self):
        client = self.client("keep")
        said = self.reload([KEEP], max_connections=1, max_memory="128M", workers=2, max_payload="64K", keepalive=5,
                           busy_poll=0, handshake_timeout=20)
        self.assertEqual(said["server"], ["max_connections", "handshake_timeout", "max_payload", "max_memory", "workers",
                                          "busy_poll", "keepalive"])
        self.assertEqual(client.ask(READ, 0, 4), bytes(4))
        with wire.Client(self.server) as turned_away:
            self.assertTrue(turned_away.is_closed())
        self.reload([KEEP])
        self.assertEqual(self.client("keep").ask(READ, 0, 4), bytes(4))

    def test_what_needs_a_restart_is_said(self):
        said = self.reload([KEEP], log_format="json")
        self.assertEqual(said["after_restart"], ["log_format"])
        # As long as it is so, and no longer.
        self.assertEqual(self.ashlar("reload"), "changed by a restart only: [server] log_format\n")
        self.assertEqual(self.reload([KEEP], sandbox="off")["after_restart"], ["sandbox"])
        self.assertEqual(self.reload([KEEP])["after_restart"], [])
        self.assertEqual(self.ashlar("reload"), "nothing has changed\n")


class Tls(Reloading):
    def exports(self):
        return [KEEP]

    def certificates(self, name):
        done = subprocess.run([PROGRAM, "certs", str(self.folder / name), "--server", "localhost", "--client", "host"],
                              capture_output=True, text=True, timeout=PATIENCE)
        if "without TLS" in done.stderr or "built without" in done.stderr:
            self.skipTest("built without TLS")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / name

    def comes_by_tls(self, pki):
        handle = libnbd.NBD()
        handle.set_tls(2)
        handle.set_tls_certificates(str(pki / "clients" / "host"))
        handle.set_tls_verify_peer(False)
        handle.set_export_name("keep")
        try:
            handle.connect_unix(self.server.socket)
        except libnbd.Error:
            return False
        handle.shutdown()
        return True

    def test_it_is_switched_on_its_files_exchanged_and_off_again(self):
        one, other = self.certificates("one"), self.certificates("other")
        wanted = {"mode": "require", "certificates": str(one / "server")}
        plain = self.client("keep")
        self.assertEqual(self.reload([KEEP], tls=wanted)["server"], ["tls"])
        self.assertTrue(self.comes_by_tls(one))
        self.assertFalse(self.comes_by_tls(other))
        self.assertEqual(plain.ask(READ, 0, 4), bytes(4))
        for name in ("ca-cert.pem", "server-cert.pem", "server-key.pem"):
            (one / "server" / name).write_bytes((other / "server" / name).read_bytes())
        # Unless the server, which looks now and then, has found them by itself.
        if self.reload([KEEP], tls=wanted)["server"] != ["tls"]:
            self.wait_for_line("new certificates and keys are used from now on")
        self.assertTrue(self.comes_by_tls(other))
        self.assertEqual(self.reload([KEEP], tls=wanted)["server"], [])
        (one / "server" / "server-key.pem").write_text("no key")
        self.refused([KEEP], tls=wanted)
        self.assertTrue(self.comes_by_tls(other))
        self.reload([KEEP])
        self.assertEqual(self.client("keep").ask(READ, 0, 4), bytes(4))


class Notices(Reloading):
    def exports(self):
        return [KEEP]

    def serve(self, exports, **settings):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(str(self.folder / "notify"))
        self.manager.settimeout(PATIENCE)
        return super().serve(exports, environment={"NOTIFY_SOCKET": str(self.folder / "notify")}, **settings)

    def hear(self, key):
        while True:
            told = dict(line.split("=", 1) for line in self.manager.recv(65536).decode().splitlines())
            if key in told:
                return told

    def test_it_is_reloading_and_ready_again_whatever_comes_of_it(self):
        self.hear("READY")
        for spoil in (False, True):
            before = time.monotonic_ns() // 1000
            if spoil:
                self.file.write_text("[[[")
            self.server.process.send_signal(signal.SIGHUP)
            told = self.hear("RELOADING")
            self.assertNotIn("READY", told)
            self.assertTrue(before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000)
            self.assertNotIn("RELOADING", self.hear("READY"))


if __name__ == "__main__":
    main(at_once=True)
