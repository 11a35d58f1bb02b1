"""What a service manager hears of the server, and how its journal takes the log. (sd_notify(3), systemd.exec(5))"""

import json
import os
import signal
import socket
import subprocess

from frame import ENOUGH, MIB, Case, without  # first: it finds lib
from lib import libnbd
from lib.case import main


class Manager:
    """A service manager's end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(ENOUGH)
        self.heard = []

    def hear(self):
        """The next assignments, as a dict."""
        told = dict(line.split("=", 1) for line in self.socket.recv(65536).decode().splitlines())
        self.heard.append(told)
        return told

    def wait_for(self, key, value=None):
        while True:
            told = self.hear()
            if key in told and value in (None, told[key]):
                return told


class Notices(Case):
    def manage(self, *words, address=None, environment=()):
        address = address or str(self.folder / "notify")
        manager = Manager(address.replace("@", "\0", 1))
        self.addCleanup(manager.socket.close)
        process = self.start(self.disk, "--listen", f"unix:{self.socket}", *words,
                             env=without("WATCHDOG_USEC", "WATCHDOG_PID", NOTIFY_SOCKET=address, **dict(environment)))
        return manager, process

    def test_it_is_ready_when_it_listens_and_stopping_when_it_stops(self):
        for address in (str(self.folder / "notify"), f"@ashlar-test-{os.getpid()}"):
            manager, process = self.manage(address=address)
            self.assertEqual(manager.hear(), {"READY": "1", "STATUS": "1 export, 0 clients"})
            self.assertTrue(self.socket.exists())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(manager.wait_for("STOPPING"), {"STOPPING": "1", "STATUS": "stopping: 1 export, 0 clients"})
            text, code = self.output(process)
            self.assertEqual(code, 0, text)
            self.assertNotIn("WATCHDOG", str(manager.heard))

    def test_the_status_follows_the_clients(self):
        manager, _ = self.manage()
        manager.wait_for("READY")
        client = libnbd.connect(f"nbd+unix:///?socket={self.socket}")
        manager.wait_for("STATUS", "1 export, 1 client")
        other = libnbd.connect(f"nbd+unix:///?socket={self.socket}")
        manager.wait_for("STATUS", "1 export, 2 clients")
        client.shutdown()
        other.shutdown()
        manager.wait_for("STATUS", "1 export, 0 clients")

    def test_a_server_that_does_not_start_is_never_ready(self):
        manager, process = self.manage("--listen", f"unix:{self.folder}/absent/a.sock")
        self.assertEqual(process.wait(ENOUGH), 1)
        manager.socket.setblocking(False)
        self.assertRaises(BlockingIOError, manager.hear)

    def test_signs_of_life_are_given_as_long_as_the_loop_turns(self):
        manager, process = self.manage(environment={"WATCHDOG_USEC": "200000"})
        manager.wait_for("READY")
        for _ in range(5):
            manager.wait_for("WATCHDOG", "1")
        os.kill(process.pid, signal.SIGSTOP)
        manager.socket.settimeout(1)  # five times as long as it may be silent
        try:
            while True:
                manager.hear()
        except TimeoutError:
            pass
        manager.socket.settimeout(ENOUGH)
        os.kill(process.pid, signal.SIGCONT)
        manager.wait_for("WATCHDOG", "1")

    def test_signs_of_life_are_given_to_who_wants_them(self):
        for environment in ({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, {"WATCHDOG_PID": "1"}):
            manager, process = self.manage(address=f"@ashlar-test-{os.getpid()}", environment=environment)
            manager.wait_for("READY")
            client = libnbd.connect(f"nbd+unix:///?socket={self.socket}")
            manager.wait_for("STATUS", "1 export, 1 client")
            self.assertNotIn("WATCHDOG", str(manager.heard))
            del client
            process.kill()
            process.wait()
            manager.socket.close()

    def test_what_is_wrong_is_named_and_the_server_serves(self):
        for variable, value, said in (("NOTIFY_SOCKET", "notify", '"notify" is neither an absolute path nor @'),
                                      ("NOTIFY_SOCKET", "/" + "x" * 108, "is longer than the kernel takes"),
                                      ("NOTIFY_SOCKET", f"{self.folder}/absent", "the service manager cannot be told: No such file"),
                                      ("WATCHDOG_USEC", "soon", '"soon" is not a number of microseconds above 0'),
                                      ("WATCHDOG_USEC", "0", '"0" is not a number of microseconds above 0')):
            process = self.start(self.disk, "--run", "nbdinfo --size $uri; env | grep -E '^(NOTIFY_|WATCHDOG_)'; true",
                                 env=without("WATCHDOG_USEC", "WATCHDOG_PID", "NOTIFY_SOCKET", **{variable: value}))
            text, code = self.output(process)
            self.assertEqual(code, 0, text)
            self.assertIn(f"\n{MIB}\n", text)
            self.assertRegex(text, f"warning {variable}: .*{said}")
            self.assertNotIn(f"\n{variable}=", text)


class Log(Case):
    def log_of(self, *words, journal=None, config=None):
        """The lines that a server logs while it starts and stops."""
        path = self.folder / "log"
        with open(path, "wb") as log:
            status = os.fstat(log.fileno())
            stream = {None: {}, True: {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, False: {"JOURNAL_STREAM": "1:1"}}[journal]
            process = self.start(config or self.disk, "--run", "true", *words, env=without("JOURNAL_STREAM", **stream),
                                 stdout=subprocess.DEVNULL,
                                 stderr=log)
            self.assertEqual(process.wait(ENOUGH), 0)
        lines = path.read_text().splitlines()
        self.assertGreater(len(lines), 0)
        return lines

    def config(self, log_format):
        return self.write("a.toml",
                          f'[server]\nlog_format = "{log_format}"\n'
                          f'[[export]]\nname = "x"\nplugin = {{ type = "file", path = "disk.img" }}\n')

    def test_the_journal_gets_the_priority_and_no_time(self):
        lines = self.log_of("-v", journal=True)
        self.assertIn("<6>info the command has ended: stopping", lines)
        for line in lines:
            self.assertRegex(line, "^(<7>debug|<6>info|<4>warning|<3>error) ")
        self.assertIn("<6>info x: the command has ended: stopping", self.log_of("--name", "x", journal=True))

    def test_what_has_been_redirected_is_no_journal(self):
        for journal in (None, False):
            for line in self.log_of(journal=journal):
                self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info ")

    def test_json_has_an_object_a_line(self):
        for name in ((), ("--name", 'a "b"\\')):
            for journal, before in ((True, "<6>"), (None, "")):
                found = []
                for line in self.log_of(*name, journal=journal, config=self.config("json")):
                    self.assertTrue(line.startswith(before + "{"), line)
                    found.append(json.loads(line.removeprefix(before)))
                last = found[-1]
                self.assertEqual(last.pop("message"), "the command has ended: stopping")
                self.assertRegex(last.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertEqual(last, {"level": "info", **({"name": name[1]} if name else {})})

    def test_text_is_as_without_a_format(self):
        self.assertRegex(self.log_of(config=self.config("text"))[-1], "info the command has ended: stopping$")
        self.assertIn('no format "yaml"; ', self.refused(self.config("yaml")))


if __name__ == "__main__":
    main(needs=("nbdinfo",))
