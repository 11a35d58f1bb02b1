"""Threads: which clients take one, and what becomes of clients when none can be had."""

import os
import pathlib
import subprocess
import time

from frame import MIB, PATIENCE, SANITIZED, Case, config, main, processes, wire


class Threads(Case):
    def start(self, **how):
        self.server = self.serve([config.memory_export(MIB)], **how)
        self.own_threads = self.threads()  # those that no client is the cause of

    def threads(self):
        return processes.threads(self.server.pid)

    def wait_until(self, what, holds, now):
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                self.fail(f"not so: {what}: {now()}")
            time.sleep(0.05)

    def until_no_client_has_a_thread(self):
        self.wait_until("idle threads are gone", lambda: self.threads() == self.own_threads, lambda: f"{self.threads()} threads")


class Parts(Threads):
    def test_a_client_that_has_sent_part_of_a_request_takes_no_thread(self):
        number = 200 if SANITIZED else 1000
        self.start()
        clients = [wire.Client(self.server).go() for _ in range(number)]
        for client in clients:
            self.addCleanup(client.close)
        self.until_no_client_has_a_thread()
        for client in clients:
            client.send(wire.request(wire.CMD_READ, 0, 512)[:1])
        self.wait_until("the bytes were received", self.nothing_lies_unread, lambda: "some lie in sockets")
        self.until_no_client_has_a_thread()
        for client in clients:
            client.send(wire.request(wire.CMD_READ, 0, 512)[1:])
        for client in clients:
            self.assertEqual(client.simple_reply(512), (0, bytes(512)))

    def nothing_lies_unread(self):
        """In sockets of the server's."""
        text = processes.run("ss", "--unix", "--no-header", "--all")
        return not any(self.server.socket in line and line.split()[2] != "0" for line in text.splitlines() if "ESTAB" in line)


class Shortage(Threads):
    """A server that may have few threads: a user of its own, with a limit."""

    LIMIT = 8

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: runs as a user of its own")
        super().setUp()
        self.user = 1_000_000 + os.getpid()
        os.chmod(self.folder, 0o777)
        # Access to all files, wherever this tree lies, but no right to ignore the limit.
        within = ["setpriv", f"--reuid={self.user}", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
                  "--bounding-set=-all,+dac_override", "prlimit", f"--nproc={self.LIMIT}"]
        self.start(within=within)

    def occupy(self):
        """Takes all the threads that the server could still have, by processes of the same user; those processes."""
        others = [subprocess.Popen(["setpriv", f"--reuid={self.user}", "--clear-groups", "sleep", "600"])
                  for _ in range(self.LIMIT - self.own_threads)]
        for other in others:
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
            status = pathlib.Path(f"/proc/{other.pid}/status")
            self.wait_until("it is the user's", lambda text=status: f"Uid:\t{self.user}" in text.read_text(), status.read_text)
        return others

    def test_clients_wait_for_a_thread_and_none_is_dropped(self):
        clients = [wire.Client(self.server).go() for _ in range(20)]
        for client in clients:
            self.addCleanup(client.close)
        self.until_no_client_has_a_thread()
        others = self.occupy()
        comes = wire.Client(self.server)
        self.addCleanup(comes.close)
        for client in clients:
            client.request(wire.CMD_READ, 0, 512)
        clients[0].socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            clients[0].socket.recv(1)
        self.assertEqual(self.threads(), self.own_threads)
        clients[0].socket.settimeout(PATIENCE)
        others[0].kill()
        others[0].wait()
        for client in clients:
            self.assertEqual(client.simple_reply(512), (0, bytes(512)))
        self.assertEqual(comes.go().ask(wire.CMD_READ, 0, 512), bytes(512))

    def test_many_talk_at_once_and_all_are_served(self):
        clients = [wire.Client(self.server).go() for _ in range(40)]
        for client in clients:
            self.addCleanup(client.close)
        for _ in range(5):
            for client in clients:
                client.request(wire.CMD_READ, 0, 512)
            for client in clients:
                self.assertEqual(client.simple_reply(512), (0, bytes(512)))
        self.assertLessEqual(self.threads(), self.LIMIT)


if __name__ == "__main__":
    main(needs=("prlimit", "setpriv", "ss"))
