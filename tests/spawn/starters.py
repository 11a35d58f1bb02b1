"""Programs that start a server for themselves: they hear when it is ready, it ends with them, or it runs them."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from frame import ENOUGH, MIB, PROGRAM, Case, is_gone, read_all, without  # first: it finds lib
from lib import config, libnbd, processes
from lib.case import main


class Ready(Case):
    def ready(self, *words, number=None):
        """The lines that a server writes to the descriptor of that number; the server goes on."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.start(*words, "--ready-fd", writer, pass_fds=[writer])
        os.close(writer)
        return process, read_all(reader)

    def test_the_lines_are_those_that_are_printed_and_then_it_is_closed(self):
        addresses = [f"unix:{self.socket}", "tcp:127.0.0.1:0"]
        process, told = self.ready(self.disk, "--listen", addresses[0], "--listen", addresses[1])
        lines = told.split("\n")
        self.assertEqual(lines[:2], ["READY=1", f"unix:{self.socket}"])
        self.assertRegex(lines[2], r"^tcp:127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(lines[3:], [""])
        self.assertEqual(libnbd.connect(f"nbd+unix:///?socket={self.socket}").get_size(), MIB)
        process.send_signal(signal.SIGTERM)
        text, code = self.output(process)
        self.assertEqual(code, 0, text)
        self.assertEqual(re.findall("^listening on (.*)$", text, re.MULTILINE), lines[1:3])

    def test_many_addresses_are_all_told(self):
        listen = [f"unix:{self.folder}/{'x' * 40}{number}.sock" for number in range(200)]
        file = self.write("many.toml", config.toml([config.memory_export(MIB)], listen=listen))
        _, told = self.ready(file)
        self.assertEqual(told.split("\n"), ["READY=1", *listen, ""])

    def test_stdout_may_be_it(self):
        process = self.start(self.disk, "--listen", f"unix:{self.socket}", "--ready-fd", 1, stderr=subprocess.DEVNULL)
        self.assertEqual(read_all(process.stdout.fileno()), f"listening on unix:{self.socket}\nREADY=1\nunix:{self.socket}\n")
        self.assertIsNone(process.poll())

    def test_a_server_that_cannot_start_only_closes_it(self):
        process, told = self.ready(self.folder / "absent.img", "--listen", f"unix:{self.socket}")
        self.assertEqual(told, "")
        self.assertEqual(process.wait(ENOUGH), 2)

    def test_who_does_not_read_it_does_not_end_the_server(self):
        reader, writer = os.pipe()
        os.close(reader)
        process = self.start(self.disk, "--listen", f"unix:{self.socket}", "--ready-fd", writer, pass_fds=[writer])
        os.close(writer)
        self.wait_until(self.listens, "the server listens")
        self.assertEqual(libnbd.connect(f"nbd+unix:///?socket={self.socket}").get_size(), MIB)
        process.send_signal(signal.SIGTERM)
        text, code = self.output(process)
        self.assertEqual(code, 0)
        self.assertIn("--ready-fd: cannot tell that the server is ready: Broken pipe", text)

    def test_what_is_no_open_descriptor_is_refused(self):
        free = os.dup(0)
        os.close(free)
        for given, said in ((str(free + 100), "is not open; open it"), ("x", '"x" is not the number of a descriptor'),
                            ("3.5", "is not the number"), ("99999999999999999999", "is not the number"), ("0", "is stdin; open another"),
                            ("2", "is stderr; open another")):
            text = self.refused(self.disk, "--listen", f"unix:{self.socket}", "--ready-fd", given)
            self.assertTrue(text.startswith("ashlar: --ready-fd: ") and said in text, text)
        with open(os.devnull, "rb") as file:
            text = self.refused(self.disk, "--ready-fd", file.fileno(), pass_fds=[file.fileno()])
            self.assertIn("is open for reading alone; open it for writing", text)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.folder / "other.sock"))
            listening.listen()
            text = self.refused(self.disk, "--ready-fd", listening.fileno(), pass_fds=[listening.fileno()])
            self.assertIn("is a socket that clients connect to; open another one", text)
        self.assertFalse(self.socket.exists())


# Starts the server that its arguments name with a parent that ends as its first argument says, and prints its number.
PARENT = r"""
import os, signal, subprocess, sys, threading, time
def start():
    return subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
if sys.argv[1] == "before":
    # A grandchild that becomes the server when its parent has ended already. All are in the session of this process.
    os.setsid()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        mine = os.getpid()
        if os.fork() == 0:
            while os.getppid() == mine:
                time.sleep(0.01)
            os.write(writer, str(os.getpid()).encode())
            os.execv(sys.argv[2], sys.argv[2:])
        os._exit(0)
    os.waitpid(child, 0)
    print(os.read(reader, 100).decode(), flush=True)
else:
    made = []
    if sys.argv[1] == "thread":  # which ends, while the process goes on
        thread = threading.Thread(target=lambda: made.append(start()))
        thread.start()
        thread.join()
    else:
        made.append(start())
    made[0].stdout.readline()
    print(made[0].pid, flush=True)
sys.stdin.read()
"""


class Parent(Case):
    def start_by(self, how):
        words = [PROGRAM, "serve", self.disk, "--listen", f"unix:{self.socket}", "--exit-with-parent"]
        parent = processes.start([sys.executable, "-c", PARENT, how, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self._end, parent)
        server = int(parent.stdout.readline())
        self.addCleanup(lambda: is_gone(server) or os.kill(server, signal.SIGKILL))
        return parent, server

    def test_the_server_ends_with_its_parent_and_takes_its_socket_with_it(self):
        for how in (signal.SIGKILL, signal.SIGTERM):
            parent, server = self.start_by("process")
            self.assertFalse(is_gone(server))
            self.assertTrue(self.socket.exists())
            parent.send_signal(how)
            self.wait_until(lambda: is_gone(server), "the server has ended")
            self.assertFalse(self.socket.exists())

    def test_the_end_of_the_thread_that_started_it_is_not_that_of_the_parent(self):
        parent, server = self.start_by("thread")
        self.assertEqual(libnbd.connect(f"nbd+unix:///?socket={self.socket}").get_size(), MIB)
        self.assertFalse(is_gone(server))
        parent.kill()
        self.wait_until(lambda: is_gone(server), "the server has ended")

    def test_a_parent_that_has_ended_before_is_found_out(self):
        _, server = self.start_by("before")
        self.wait_until(lambda: is_gone(server), "the server has ended")
        self.assertFalse(self.socket.exists())


class Run(Case):
    def setUp(self):
        super().setUp()
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.environment = without("uri", "port", "unixsocket", TMPDIR=str(self.temporary))

    def run_command(self, command, *words, disk=None, **how):
        return self.start(disk or self.disk, *words, "--run", command, env=self.environment, **how)

    @staticmethod
    def program_of(pid):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()

    def assert_nothing_left(self):
        self.assertEqual(list(self.temporary.iterdir()), [])

    def test_the_command_finds_the_server_at_a_private_socket(self):
        command = 'echo "[$uri] [$unixsocket] [$port]"; stat -c %a "${unixsocket%/*}"; nbdinfo --size "$uri"; ls "${unixsocket%/*}"'
        text, code = self.output(self.run_command(command, stderr=subprocess.DEVNULL))
        self.assertEqual(code, 0, text)
        lines = text.splitlines()
        path = lines[0].removeprefix("listening on unix:")
        self.assertTrue(path.startswith(f"{self.temporary}/ashlar"), path)
        self.assertEqual(lines[1:], [f"[nbd+unix:///?socket={path}] [{path}] []", "700", str(MIB), "socket"])
        self.assert_nothing_left()

    def test_addresses_that_are_given_are_told(self):
        at = self.folder / "a b%.sock"
        text, code = self.output(self.run_command('echo "[$uri] [$unixsocket] [$port]"; nbdinfo --size "$uri"',
                                                  "--listen", "tcp:127.0.0.1:0",
                                                  "--listen", f"unix:{at}", stderr=subprocess.DEVNULL))
        self.assertEqual(code, 0, text)
        port = re.search(r"tcp:127\.0\.0\.1:(\d+)", text)[1]
        uri = f"nbd+unix:///?socket={self.folder}/a%20b%25.sock"
        self.assertEqual(text.splitlines()[2:], [f"[{uri}] [{at}] [{port}]", str(MIB)])
        for listen in ("tcp:127.0.0.1:0", "tcp::0"):
            text, code = self.output(self.run_command('echo "[$unixsocket] [$port]"; nbdinfo --size $uri', "--listen",
                                                      listen, stderr=subprocess.DEVNULL))
            self.assertEqual(code, 0, text)
            self.assertRegex(text, rf"\n\[\] \[[1-9]\d*\]\n{MIB}\n$")

    def test_a_config_without_listen_is_served_in_private_and_one_with_it_as_it_says(self):
        file = self.write("a.toml", '[[export]]\nname = "x"\nplugin = { type = "memory", size = "1M" }\n')
        text, code = self.output(self.run_command("nbdinfo --size $uri", disk=file, stderr=subprocess.DEVNULL))
        self.assertEqual((text.splitlines()[1], code), (str(MIB), 0))
        self.assertIn(str(self.temporary), text)
        file = self.write("b.toml", config.toml([config.memory_export(MIB)], listen=[f"unix:{self.socket}"]))
        text, code = self.output(self.run_command("echo $unixsocket", disk=file, stderr=subprocess.DEVNULL))
        self.assertEqual((text.splitlines()[1], code), (str(self.socket), 0))

    def test_its_status_is_that_of_the_server(self):
        for command, status in (("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -KILL $$", 137), ("/absent/program", 127)):
            text, code = self.output(self.run_command(command))
            self.assertEqual(code, status, text)
            self.assertIn("the command has ended: stopping", text)
        self.assert_nothing_left()

    def test_its_status_is_that_of_the_server_also_where_the_starter_ignores_the_end_of_children(self):
        process = self.run_command("exit 3", before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        text, code = self.output(process)
        self.assertEqual(code, 3, text)

    def test_sigterm_ends_the_command_and_what_it_has_started(self):
        for end, status in (("", 143), ("trap 'exit 7' TERM; ", 7)):
            process = self.run_command(f"{end}sleep 1000 & echo $$ $!; wait", stderr=subprocess.DEVNULL)
            process.stdout.readline()
            command, sleep = map(int, process.stdout.readline().split())
            self.addCleanup(lambda pid=sleep: is_gone(pid) or os.kill(pid, signal.SIGKILL))
            # Before that, it is a copy of the shell, which takes no notice of a signal that the shell has a trap for.
            self.wait_until(lambda: self.program_of(sleep) == "sleep", "the command has begun")
            self.assertFalse(is_gone(command))
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(ENOUGH), status)
            self.wait_until(lambda: is_gone(command) and is_gone(sleep), "the command has ended")
        self.assert_nothing_left()

    def test_a_command_that_does_not_listen_is_killed(self):
        for times in (1, 2):
            process = self.run_command("trap '' TERM INT; echo $$; while :; do sleep 0.1; done", stderr=subprocess.DEVNULL)
            process.stdout.readline()
            command = int(process.stdout.readline())
            for _ in range(times):
                process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(ENOUGH), 128 + signal.SIGKILL)
            self.assertTrue(is_gone(command))
        self.assert_nothing_left()

    def test_the_command_has_the_signals_descriptors_and_limits_of_the_caller(self):
        command = "grep -E 'Sig(Blk|Ign)' /proc/self/status; ulimit -Sn; " \
                  "ls -l /proc/self/fd | grep -c socket; echo $NOTIFY_SOCKET$LISTEN_FDS"
        self.environment["NOTIFY_SOCKET"] = f"{self.folder}/absent"
        text, code = self.output(self.start(self.disk, "--run", command, env=self.environment, stderr=subprocess.DEVNULL,
                                            before=lambda: __import__("resource").setrlimit(7, (100, 2000))))
        self.assertEqual(code, 0, text)
        self.assertEqual(text.splitlines()[1:], ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "100", "0", ""])

    def test_a_server_that_cannot_start_runs_nothing(self):
        ran = self.folder / "ran"
        text, code = self.output(self.run_command(f"touch {ran}", disk=self.folder / "absent.img"))
        self.assertEqual(code, 2, text)
        self.assertFalse(ran.exists())
        self.assert_nothing_left()

    def test_an_empty_command_is_refused(self):
        for empty in ("", " "):
            self.assertIn("--run: the command is empty", self.refused(self.disk, "--run", empty))

    def test_a_folder_that_is_too_deep_for_a_socket_is_told(self):
        self.temporary = self.temporary / ("x" * 100)
        self.temporary.mkdir()
        self.environment["TMPDIR"] = str(self.temporary)
        text, code = self.output(self.run_command("true"))
        self.assertEqual(code, 2, text)
        self.assertIn("--run: ", text)
        self.assertIn("choose a shorter one", text)
        self.assert_nothing_left()


class Name(Case):
    def test_each_line_of_the_log_has_it(self):
        process = self.start(self.disk, "--listen", f"unix:{self.socket}", "--name", "web %v 1", "--run", "true", stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        _, log = process.communicate(timeout=ENOUGH)
        lines = log.decode().splitlines()
        self.assertGreaterEqual(len(lines), 1)
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ web %v 1: ")

    def test_an_empty_one_is_refused(self):
        self.assertIn("--name: the name is empty", self.refused(self.disk, "--name", ""))


if __name__ == "__main__":
    main(needs=("nbdinfo",))
