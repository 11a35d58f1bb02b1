"""Starting, listening, stopping."""

import grp
import os
import signal
import socket
import threading
import unittest

from lib import config, libnbd, processes, wire
from lib.case import Case, main
from lib.images import MIB, pattern
from lib.server import PROGRAM, SANITIZED

BLOCK = 4096


class Writer:
    """Writes the blocks of its own share round after round, many in flight, until the server goes; notes what was acknowledged."""

    IN_FLIGHT = 32  # fewer than the blocks of a share: never two writes of one block at the same time

    def __init__(self, server, number, share):
        assert self.IN_FLIGHT < share
        self.client = wire.Client(server).go("disk")
        self.first, self.share = number * share, share
        self.acknowledged = {}  # block: round
        self.enough = threading.Event()
        self.window = threading.Semaphore(self.IN_FLIGHT)
        self.over = False
        self.threads = [threading.Thread(target=self._send, daemon=True), threading.Thread(target=self._receive, daemon=True)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def contents(block, round_):
        return (block * 1_000_003 + round_ + 1).to_bytes(8, "big") * (BLOCK // 8)

    def _send(self):
        number = 0
        while True:
            self.window.acquire()
            if self.over:
                return
            round_, place = divmod(number, self.share)
            block = self.first + place
            try:
                self.client.request(wire.CMD_WRITE, block * BLOCK, BLOCK, cookie=block << 32 | round_,
                                    data=self.contents(block, round_))
            except wire.Closed:
                return
            number += 1

    def _receive(self):
        while not self.over:
            try:
                header = self.client.receive(16)
            except wire.Closed:
                self.over = True
            else:
                if header[4:8] == bytes(4):
                    cookie = int.from_bytes(header[8:], "big")
                    self.acknowledged[cookie >> 32] = cookie & 0xFFFFFFFF
            if self.over or len(self.acknowledged) == self.share:
                self.enough.set()
            self.window.release()

    def join(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "the writer hangs"
        self.client.close()


class Stopping(Case):
    def test_every_acknowledged_write_is_in_the_file(self):
        share, writers = 256, 4
        for how in (signal.SIGTERM, signal.SIGINT):
            disk = self.sparse_file(f"{how.name}.img", writers * share * BLOCK)
            server = self.serve([config.file_export(disk)])
            load = [Writer(server, number, share) for number in range(writers)]
            for writer in load:
                self.assertTrue(writer.enough.wait(60))
            server.stop(how)
            found = disk.read_bytes()
            for writer in load:
                writer.join()
                self.assertEqual(len(writer.acknowledged), share)
                for block, round_ in writer.acknowledged.items():
                    place = found[block * BLOCK:(block + 1) * BLOCK]
                    # A write behind the acknowledged one may have come through too, unanswered.
                    self.assertIn(place, (Writer.contents(block, round_), Writer.contents(block, round_ + 1)), (how, block))

    def test_idle_clients_do_not_hold_the_server(self):
        disk = self.sparse_file("disk.img", MIB)
        server = self.serve([config.file_export(disk)])
        with wire.Client(server).go("disk"), wire.Client(server):
            server.stop()

    def test_clients_are_told_by_a_closed_connection(self):
        server = self.serve([config.memory_export(MIB)])
        client = wire.Client(server).go()
        server.stop()
        self.assertTrue(client.is_closed())
        client.close()


class Listening(Case):
    def test_a_stale_unix_socket_is_taken_over(self):
        path = self.folder / "stale.sock"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        self.assertTrue(path.exists())
        server = self.serve([config.memory_export(MIB)], listen=[f"unix:{path}"])
        self.assertEqual(libnbd.connect(server.uri()).get_size(), MIB)

    def test_the_socket_of_a_killed_server_is_taken_over(self):
        path = self.folder / "killed.sock"
        first = self.serve([config.memory_export(MIB)], listen=[f"unix:{path}"])
        first.process.kill()
        first.process.wait()
        first.process.stdout.close()
        first.stopped = True
        self.assertTrue(path.exists())
        second = self.serve([config.memory_export(2 * MIB)], listen=[f"unix:{path}"])
        self.assertEqual(libnbd.connect(second.uri()).get_size(), 2 * MIB)

    def fails(self, config_text):
        done = processes.run(PROGRAM, "serve", self.write("second.toml", config_text), ok=False, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stdout

    def test_a_live_unix_socket_is_refused(self):
        path = self.folder / "live.sock"
        server = self.serve([config.memory_export(MIB)], listen=[f"unix:{path}"])
        said = self.fails(config.toml([config.memory_export(2 * MIB)], listen=[f"unix:{path}"]))
        self.assertIn(str(path), said)
        self.assertEqual(libnbd.connect(server.uri()).get_size(), MIB)

    def test_a_file_that_is_no_socket_is_not_removed(self):
        path = self.write("precious.txt", "keep me")
        self.assertIn(str(path), self.fails(config.toml([config.memory_export(MIB)], listen=[f"unix:{path}"])))
        self.assertEqual(path.read_text(), "keep me")

    def test_a_tcp_port_in_use_is_refused(self):
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            port = busy.getsockname()[1]
            said = self.fails(config.toml([config.memory_export(MIB)], listen=[f"tcp:127.0.0.1:{port}"]))
            self.assertIn(str(port), said)

    def test_nothing_is_left_when_the_second_address_fails(self):
        path = self.folder / "first.sock"
        busy = self.folder / "absent" / "second.sock"
        self.assertIn(str(busy), self.fails(config.toml([config.memory_export(MIB)], listen=[f"unix:{path}", f"unix:{busy}"])))
        self.assertFalse(path.exists())

    def test_a_socket_for_a_group(self):
        path = self.folder / "group.sock"
        # As the group of the file, one of the process's own: any user may give it away to that.
        group = grp.getgrgid(os.getgid()).gr_name
        text = config.toml([config.memory_export(MIB)]).replace(
            "[server]", f'[server]\nlisten = [{{ unix = "{path}", mode = "0620", group = "{group}" }}, "unix:{self.folder}/b.sock"]', 1)
        server = self.serve_words([self.write("group.toml", text)], addresses=2)
        self.assertEqual(server.listening, [f"unix:{path}", f"unix:{self.folder}/b.sock"])
        self.assertEqual((path.stat().st_mode & 0o7777, path.stat().st_gid), (0o620, os.getgid()))
        self.assertEqual(libnbd.connect(server.uri()).get_size(), MIB)

    def test_an_abstract_socket(self):
        name = f"@ashlar-{os.getpid()}"
        server = self.serve([config.memory_export(MIB)], listen=[f"unix:{name}"])
        self.assertEqual(server.listening, [f"unix:{name}"])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name.replace("@", "\0", 1))
            self.assertEqual(client.recv(8), b"NBDMAGIC")
        self.assertIn(name, self.fails(config.toml([config.memory_export(MIB)], listen=[f"unix:{name}"])))

    def test_an_abstract_socket_of_the_longest_name(self):
        name = "@" + f"ashlar-{os.getpid()}-".ljust(106, "x")
        server = self.serve([config.memory_export(MIB)], listen=[f"unix:{name}"])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name.replace("@", "\0", 1))
            self.assertEqual(client.recv(8), b"NBDMAGIC")

    def test_several_addresses_at_once(self):
        server = self.serve([config.memory_export(MIB)],
                            listen=[f"unix:{self.folder}/a.sock", f"unix:{self.folder}/b.sock", "tcp:127.0.0.1:0", "tcp:[::1]:0"])
        self.assertEqual(server.listening[:2], [f"unix:{self.folder}/a.sock", f"unix:{self.folder}/b.sock"])
        uris = [f"nbd+unix:///?socket={address.removeprefix('unix:')}" for address in server.listening[:2]]
        uris += [f"nbd://{address.removeprefix('tcp:')}/" for address in server.listening[2:]]
        self.assertRegex(uris[2], r"^nbd://127\.0\.0\.1:[1-9][0-9]*/$")
        self.assertRegex(uris[3], r"^nbd://\[::1\]:[1-9][0-9]*/$")
        libnbd.connect(uris[0]).pwrite(b"one disk", 0)
        for uri in uris:
            self.assertEqual(libnbd.connect(uri).pread(8, 0), b"one disk", uri)

    def test_tcp_with_each_client(self):
        disk = self.folder / "disk.img"
        disk.write_bytes(pattern(MIB))
        server = self.serve([config.file_export(disk)], listen=["tcp:127.0.0.1:0"])
        uri = server.uri("disk", "tcp")
        self.assertIn("identical", processes.run("qemu-img", "compare", "-f", "raw", "-F", "raw", disk, uri))
        processes.run("nbdcopy", uri, self.folder / "copy.img")
        self.assert_same((self.folder / "copy.img").read_bytes(), pattern(MIB))

    def test_two_servers_side_by_side(self):
        first, second = self.serve([config.memory_export(MIB)]), self.serve([config.memory_export(2 * MIB)])
        self.assertEqual([libnbd.connect(server.uri()).get_size() for server in (first, second)], [MIB, 2 * MIB])

    def test_an_image_without_a_config(self):
        disk = self.folder / "disk.img"
        disk.write_bytes(pattern(MIB))
        server = self.serve_words([disk, "--listen", f"unix:{self.folder}/image.sock"])
        handle = libnbd.connect(server.uri())
        self.assert_same(handle.pread(MIB, 0), pattern(MIB))
        self.assertFalse(handle.is_read_only())

    def test_an_image_read_only(self):
        disk = self.sparse_file("disk.img", MIB)
        os.chmod(disk, 0o444)
        server = self.serve_words([disk, "--read-only", "--listen", f"unix:{self.folder}/image.sock"])
        self.assertTrue(libnbd.connect(server.uri()).is_read_only())

    def test_a_config_from_a_pipe(self):
        text = config.toml([config.memory_export(MIB)], listen=[f"unix:{self.folder}/pipe.sock"])
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
        writer.start()
        server = self.serve_words([pipe])
        writer.join()
        self.assertEqual(libnbd.connect(server.uri()).get_size(), MIB)

    if not SANITIZED:  # sanitizers need /proc
        @unittest.skipIf(os.geteuid() != 0, "needs root: hides /proc in a mount namespace")
        def test_without_proc(self):
            hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
            link = self.folder / "link"
            link.symlink_to(PROGRAM)
            for program in (PROGRAM, link):
                disk = self.sparse_file("disk.img", MIB)
                # `program` in the place of the one that serve_words names.
                server = self.serve_words([disk, "--listen", f"unix:{self.folder}/image.sock"],
                                          within=[*hidden, "sh", "-c", f'shift; exec "{program}" "$@"', "sh"])
                self.assertEqual(libnbd.connect(server.uri()).get_size(), MIB)
                server.stop()
                self.assertIn("a thread is not bounded to its files: all others: they cannot be listed without /proc", server.log())

    def test_in_a_folder_that_has_been_deleted(self):
        gone = self.folder / "gone"
        gone.mkdir()
        file = self.write("absolute.toml", config.toml([config.file_export(self.sparse_file("disk.img", MIB))],
                                                       listen=[f"unix:{self.folder}/config.sock"]))
        within = ["sh", "-c", f'cd "{gone}" && rmdir "{gone}" && exec "$@"', "sh"]
        server = self.serve_words([file], within=within)
        self.assertEqual(libnbd.connect(server.uri("disk")).get_size(), MIB)
        gone.mkdir()
        server = self.serve_words([self.folder / "disk.img", "--listen", f"unix:{self.folder}/image.sock"], within=within)
        self.assertEqual(libnbd.connect(server.uri()).get_size(), MIB)

    def test_one_client_does_not_block_another(self):
        server = self.serve([config.memory_export(64 * MIB)])
        with wire.Client(server).go() as stuck, wire.Client(server) as silent:
            # In the middle of a payload, and in the middle of nothing.
            stuck.request(wire.CMD_WRITE, 0, MIB, data=b"x" * 1000)
            silent.receive(18)
            handle = libnbd.connect(server.uri())
            handle.pwrite(b"not blocked", 0)
            self.assert_same(handle.pread(11, 0), b"not blocked")


if __name__ == "__main__":
    main(needs=["qemu-img", "nbdcopy"])
