"""Sockets that are handed over, as systemd and libnbd do it: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES."""

import fcntl
import os
import re
import signal
import socket
import subprocess

from frame import ENOUGH, MIB, PROGRAM, Case, without  # first: it finds lib
from lib import config, libnbd, processes
from lib.case import main


class Sockets(Case):
    def setUp(self):
        super().setUp()
        self.sockets = []

    def unix(self, name, listens=True, kind=socket.SOCK_STREAM):
        path = self.folder / f"{name}.sock"
        one = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(one.close)
        one.bind(str(path))
        if listens:
            one.listen()
        return one

    def tcp(self, family=socket.AF_INET, host="127.0.0.1"):
        one = socket.socket(family)
        self.addCleanup(one.close)
        one.bind((host, 0))
        one.listen()
        return one

    def hand(self, handed, *words, names=None, environment=(), **how):
        """A server with these sockets (or descriptors) as its descriptors from 3 on. """
        # With numbers that are out of the way of those from 3 on.
        copies = [fcntl.fcntl(one, fcntl.F_DUPFD, 50) for one in handed]
        variables = {"LISTEN_FDS": str(len(handed)), **({} if names is None else {"LISTEN_FDNAMES": names}), **dict(environment)}
        # The shell puts its own number, which becomes the server's, into LISTEN_PID.
        script = "".join(f"exec {3 + i}<&{d} {d}<&-; " for i, d in enumerate(copies))
        script += 'export LISTEN_PID="${LISTEN_PID-$$}"; exec "$@"'
        process = processes.start(["/bin/bash", "-c", script, "-", PROGRAM, "serve", *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, pass_fds=copies,
                                  env={**without("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"), **variables}, **how)
        for copy in copies:
            os.close(copy)
        return process

    def served(self, *given, lines=1, **more):
        process = self.hand(*given, **more)
        self.addCleanup(self._end, process)
        said = b""
        found = []
        while len(found) < lines:
            part = os.read(process.stdout.fileno(), 4096)
            self.assertTrue(part, said)
            said += part
            found = re.findall("^listening on (.*)$", said.decode(), re.MULTILINE)
        self.said = said.decode()
        return process, found

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        text, code = self.output(process)
        self.assertEqual(code, 0, text)
        return self.said + text

    def size_at(self, one):
        if one.family == socket.AF_UNIX:
            return libnbd.connect(f"nbd+unix:///?socket={one.getsockname()}").get_size()
        host, port = one.getsockname()[:2]
        return libnbd.connect(f"nbd://[{host}]:{port}/" if ":" in host else f"nbd://{host}:{port}/").get_size()

    def test_all_are_listened_at_and_nothing_else_is_opened(self):
        given = [self.unix("a"), self.tcp(), self.tcp(socket.AF_INET6, "::1"), self.unix("b")]
        wanted = [f"unix:{self.folder}/a.sock", f"tcp:127.0.0.1:{given[1].getsockname()[1]}", f"tcp:[::1]:{given[2].getsockname()[1]}",
                  f"unix:{self.folder}/b.sock"]
        file = self.write("a.toml", '[[export]]\nname = "x"\nplugin = { type = "memory", size = "1M" }\n')
        for operand in (self.disk, file):
            for names in (None, "one:two:two:"):
                process, listening = self.served(given, operand, names=names, lines=4)
                self.assertEqual(listening, wanted)
                for one in given:
                    self.assertEqual(self.size_at(one), MIB)
                listening = [line for line in processes.run("ss", "-Hltxp").splitlines() if f"pid={process.pid}," in line]
                self.assertEqual(len(listening), 4, listening)
                self.stop(process)
                # They are still the caller's: their files are there, and the next server goes on with them.
                self.assertTrue((self.folder / "a.sock").exists())

    def test_without_names_they_go_before_addresses_of_the_config(self):
        own = self.folder / "own.sock"
        file = self.write("a.toml", f'[server]\nlisten = ["unix:{own}"]\n[[export]]\nname = "x"\n'
                                    'plugin = { type = "memory", size = "1M" }\n')
        process, listening = self.served([self.unix("a")], file, names=None)
        self.assertEqual(listening, [f"unix:{self.folder}/a.sock"])
        self.assertFalse(own.exists())
        self.assertNotIn("is closed", self.stop(process))

    def test_an_abstract_one_has_its_name(self):
        one = socket.socket(socket.AF_UNIX)
        self.addCleanup(one.close)
        name = f"ashlar-test-{os.getpid()}"
        one.bind("\0" + name)
        one.listen()
        process, listening = self.served([one], self.disk)
        self.assertEqual(listening, [f"unix:@{name}"])
        self.stop(process)

    def test_an_address_takes_all_sockets_of_its_name(self):
        given = [self.unix("a"), self.unix("b"), self.unix("c")]
        for listen in ('["fd:x", "tcp:127.0.0.1:0"]', '[{ fd = "x" }, "tcp:127.0.0.1:0"]'):
            file = self.write("a.toml",
                              f'[server]\nlisten = {listen}\n[[export]]\nname = "x"\nplugin = {{ type = "memory", size = "1M" }}\n')
            process, listening = self.served(given, file, names="x:y:x", lines=3)
            self.assertEqual(listening[:2], [f"unix:{self.folder}/a.sock", f"unix:{self.folder}/c.sock"])
            self.assertRegex(listening[2], "^tcp:127.0.0.1:")
            said = self.stop(process)
            self.assertIn('the socket "y" was handed over, but no address of listen is "fd:y": it is closed', said)
        process, listening = self.served(given, self.disk, "--listen", "fd:y", names="x:y:x")
        self.assertEqual(listening, [f"unix:{self.folder}/b.sock"])
        self.stop(process)

    def test_one_that_is_left_over_refuses_its_clients(self):
        one = self.unix("over")
        process, listening = self.served([one], self.disk, "--listen", f"unix:{self.socket}", names="x")
        self.assertEqual(listening, [f"unix:{self.socket}"])
        one.close()
        with socket.socket(socket.AF_UNIX) as client:
            self.assertRaises(ConnectionRefusedError, client.connect, str(self.folder / "over.sock"))
        self.stop(process)

    def test_a_name_that_none_has_is_told(self):
        def said(handed, names):
            process = self.hand(handed, self.disk, "--listen", "fd:nbd", names=names)
            self.addCleanup(self._end, process)
            text, code = self.output(process)
            self.assertEqual(code, 2, text)
            return text
        self.assertEqual(said([self.unix("a"), self.unix("b")], "x:y"),
                         'ashlar: serve: "fd:nbd": there is no socket of that name; handed over (LISTEN_FDNAMES): "x", "y"\n')
        self.assertIn("handed over (LISTEN_FDNAMES): \"unknown\"", said([self.unix("c")], None))
        text = self.refused(self.disk, "--listen", "fd:nbd", env=without("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"))
        self.assertIn("none was handed over (LISTEN_FDS)", text)
        file = self.write("a.toml", '[server]\nlisten = ["fd:nbd"]\n[[export]]\nname = "x"\n'
                                    'plugin = { type = "memory", size = 1 }\nx = 1\n')
        text = self.refused(file, env=without("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"))
        self.assertIn(f'{file}:2:11: key "listen": "fd:nbd": there is no socket of that name; none was handed over', text)
        self.assertIn(f'{file}:6:1: key "x"', text)  # with the other mistakes

    def test_what_is_wrong_is_named(self):
        with open(self.disk, "rb") as file:
            listening = self.unix("listening")
            cases = [
                ([listening], {"LISTEN_FDS": "x"}, 'LISTEN_FDS: "x" is not a number of sockets'),
                ([listening], {"LISTEN_FDS": "-1"}, 'LISTEN_FDS: "-1" is not a number of sockets'),
                ([listening], {"LISTEN_FDS": "99999"}, 'LISTEN_FDS: "99999" is not a number of sockets, 0 to 1024'),
                ([listening], {"LISTEN_PID": "me"}, 'LISTEN_PID: "me" is not the number of a process'),
                ([listening], {"LISTEN_PID": ""}, 'LISTEN_PID: "" is not the number of a process'),
                ([listening], {"LISTEN_FDNAMES": "a:b"}, 'LISTEN_FDNAMES: "a:b" has 2 names for the 1 sockets of LISTEN_FDS'),
                ([listening], {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}, 'LISTEN_FDS: descriptor 4 ("b") is not open'),
                ([file.fileno()], {}, 'LISTEN_FDS: descriptor 3 ("unknown") is no socket'),
                ([self.unix("datagrams", False, socket.SOCK_DGRAM)], {},
                 'descriptor 3 ("unknown") is neither a tcp nor a unix stream socket'),
                ([self.unix("deaf", False)], {}, 'descriptor 3 ("unknown") does not listen'),
            ]
            for handed, environment, said in cases:
                process = self.hand(handed, self.disk, "--listen", f"unix:{self.socket}", environment=environment)
                self.addCleanup(self._end, process)
                text, code = self.output(process)
                self.assertEqual(code, 2, text)
                self.assertTrue(text.startswith("ashlar: serve: ") and said in text, text)
        self.assertFalse(self.socket.exists())

    def test_what_is_for_another_process_is_left_alone(self):
        one = self.unix("other")
        for environment in ({"LISTEN_PID": "1"}, {"LISTEN_FDS": "0"}):
            process, listening = self.served([one], self.disk, "--listen", f"unix:{self.socket}", environment=environment)
            self.assertEqual(listening, [f"unix:{self.socket}"])
            self.assertNotIn("handed over", self.stop(process))

    def test_the_variables_are_gone_for_what_the_server_runs(self):
        process, _ = self.served([self.unix("a")], self.disk, "--run", "env | grep ^LISTEN; ls -l /proc/self/fd | grep socket; exit 4",
                                 names="x")
        text, code = self.output(process)
        self.assertEqual(code, 4, text)
        self.assertNotRegex(self.said + text, "(?m)^LISTEN|socket:")


class Libnbd(Case):
    def test_socket_activation(self):
        for words in ([self.disk], [self.write("a.toml", '[[export]]\nname = "x"\nplugin = { type = "memory", size = "1M" }\n')]):
            handle = libnbd.NBD()
            handle.connect_systemd_socket_activation([PROGRAM, "serve", *map(str, words)])
            self.assertEqual(handle.get_size(), MIB)
            handle.pwrite(b"x" * 512, 512)
            self.assertEqual(handle.pread(1024, 0), bytes(512) + b"x" * 512)
            handle.shutdown()

    def test_nbdcopy_of_a_server_between_brackets(self):
        self.disk.write_bytes(os.urandom(MIB))
        out = self.folder / "out.img"
        processes.run("nbdcopy", "--", "[", PROGRAM, "serve", self.disk, "--read-only", "]", out)
        self.assert_same(out.read_bytes(), self.disk.read_bytes(), "the copy")


if __name__ == "__main__":
    main(needs=("nbdcopy", "ss"))
