"""Exports that not everybody may have open at once: exclusive ones, with one client at a time that may write, and those with
max_connections."""

import os
import socket
import time

from lib import config, libnbd, wire
from lib.case import Case, main
from lib.processes import run

FLAG_READ_ONLY, FLAG_CAN_MULTI_CONN = 2, 1 << 8
REFUSAL = b'export "disk" is exclusive, and another client has it'
TCP_REPAIR = 19  # linux/tcp.h


class Exclusive(Case):
    def disk(self, kind="unix", **settings):
        listen = ["tcp:127.0.0.1:0"] if kind == "tcp" else None
        readers = [{"address": "127.0.0.2", "read_only": True}, {"address": "0.0.0.0/0"}, {"uid": os.geteuid()}]
        exports = [config.memory_export("1M", "disk", exclusive=True, allow=readers), config.memory_export("1M", "other")]
        return self.serve(exports, listen=listen, **settings)

    def client(self, server, **how):
        client = wire.Client(server, **how)
        self.addCleanup(client.close)
        return client

    def answer(self, server, option=wire.OPT_GO, **how):
        """The last reply to a client that asks for the disk."""
        client = self.client(server, **how)
        client.greet()
        return client.option(option, wire.go_data("disk"))[-1]

    def test_a_second_client_is_refused_and_may_go_on(self):
        server = self.disk()
        first = self.client(server).go("disk")
        for option in (wire.OPT_GO, wire.OPT_INFO):
            self.assertEqual(self.answer(server, option), (wire.REP_ERR_POLICY, REFUSAL))
        second = self.client(server)
        second.greet()
        self.assertEqual(second.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ERR_POLICY)
        self.assertEqual(second.option(wire.OPT_GO, wire.go_data("other"))[-1][0], wire.REP_ACK)
        self.assertEqual(second.ask(wire.CMD_READ, 0, 16), bytes(16))
        self.assertEqual(first.ask(wire.CMD_WRITE, 0, 512, data=b"1" * 512), 0)
        server.stop()
        self.assertRegex(server.log(),
                         r'warning unix:pid=\d+,uid=\d+: refused export "disk": it is exclusive, and unix:pid=\d+,uid=\d+ has it')

    def test_export_name_is_closed_and_logged(self):
        server = self.disk()
        self.client(server).go("disk")
        second = self.client(server)
        second.greet()
        second.option_head(wire.OPT_EXPORT_NAME, 4)
        second.send(b"disk")
        with self.assertRaises(wire.Closed):
            second.receive(1)
        server.stop()
        self.assertIn('refused export "disk": it is exclusive', server.log())

    def test_no_second_connection_is_offered(self):
        server = self.disk("tcp")
        self.assertFalse(self.client(server, kind="tcp").go("disk").transmission_flags & FLAG_CAN_MULTI_CONN)
        self.assertTrue(self.client(server, kind="tcp").go("other").transmission_flags & FLAG_CAN_MULTI_CONN)

    def test_who_may_only_read_does_not_count(self):
        server = self.disk("tcp")
        reads = dict(kind="tcp", source="127.0.0.2")
        readers = [self.client(server, **reads).go("disk")]
        first = self.client(server, kind="tcp").go("disk")
        self.assertFalse(first.transmission_flags & FLAG_READ_ONLY)
        readers += [self.client(server, **reads).go("disk") for _ in range(2)]
        self.assertEqual(first.ask(wire.CMD_WRITE, 0, 512, data=b"1" * 512), 0)
        for reader in readers:
            self.assertTrue(reader.transmission_flags & FLAG_READ_ONLY)
            self.assertEqual(reader.ask(wire.CMD_READ, 0, 512), b"1" * 512)
        self.assertEqual(self.answer(server, kind="tcp"), (wire.REP_ERR_POLICY, REFUSAL))
        first.request(wire.CMD_DISC)
        first.close()
        self.assertEqual(self.answer(server, kind="tcp")[0], wire.REP_ACK)

    def test_a_read_only_export_has_no_writer(self):
        server = self.serve([config.memory_export("1M", "disk", exclusive=True, read_only=True)])
        for _ in range(3):
            self.client(server).go("disk")

    def test_who_has_only_asked_has_not_taken_it(self):
        server = self.disk()
        asks = self.client(server)
        asks.greet()
        self.assertEqual(asks.option(wire.OPT_INFO, wire.go_data("disk"))[-1][0], wire.REP_ACK)
        first = self.client(server).go("disk")
        for option in (wire.OPT_GO, wire.OPT_INFO):
            self.assertEqual(asks.option(option, wire.go_data("disk"))[-1], (wire.REP_ERR_POLICY, REFUSAL))
        first.close()
        self.assertEqual(asks.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)
        self.assertEqual(asks.ask(wire.CMD_READ, 0, 16), bytes(16))

    def test_it_is_free_for_who_comes_right_behind(self):
        for kind in ("unix", "tcp"):
            server = self.disk(kind)
            for round in range(30):
                with wire.Client(server, kind=kind) as client:
                    client.go("disk")
                    if round % 3 == 0:  # the polite way
                        client.request(wire.CMD_DISC)
                        self.assertTrue(client.is_closed())
                    elif round % 3 == 1:
                        client.request(wire.CMD_WRITE, 0, 512, data=b"1" * 512)
                    else:
                        client.reset()

    def test_a_client_whose_machine_has_vanished_is_found_out(self):
        server = self.disk("tcp", keepalive=1)
        first = self.client(server, kind="tcp").go("disk")
        # Else the server would find out when it sends again what was not acknowledged.
        first.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        try:
            first.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)  # closes without a word
        except PermissionError:
            self.skipTest("vanishing without a word needs root")
        first.close()
        self.assertEqual(self.answer(server, kind="tcp"), (wire.REP_ERR_POLICY, REFUSAL))
        end = time.monotonic() + 60
        while self.answer(server, kind="tcp")[0] != wire.REP_ACK:
            self.assertLess(time.monotonic(), end, "the place is never free again")
            time.sleep(0.1)

    def test_real_clients(self):
        server = self.disk()
        first = libnbd.connect(server.uri("disk"))
        self.assertFalse(first.can_multi_conn())
        refused = run("qemu-io", "-f", "raw", "-c", "write 0 512", server.uri("disk"), ok=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(REFUSAL.decode(), refused.stdout)
        first.shutdown()
        run("qemu-io", "-f", "raw", "-c", "write 0 512", server.uri("disk"))
        run("nbdcopy", server.uri("disk"), self.folder / "copy.img")


class MaxConnections(Case):
    def test_further_clients_are_refused_until_one_has_gone(self):
        server = self.serve([config.memory_export("1M", "disk", max_connections=2, multi_conn="off"), config.memory_export("1M", "other")])
        clients = [wire.Client(server) for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
        for client in clients[:2]:
            self.assertFalse(client.go("disk").transmission_flags & FLAG_CAN_MULTI_CONN)
        third = clients[2]
        third.greet()
        refusal = (wire.REP_ERR_POLICY, b'export "disk" is open to 2 clients at once, and so many have it open')
        for option in (wire.OPT_GO, wire.OPT_INFO):
            self.assertEqual(third.option(option, wire.go_data("disk"))[-1], refusal)
        clients[0].close()
        self.assertEqual(third.option(wire.OPT_GO, wire.go_data("disk"))[-1][0], wire.REP_ACK)
        self.assertEqual(third.ask(wire.CMD_READ, 0, 16), bytes(16))
        server.stop()
        self.assertIn('refused export "disk": as many clients as may (max_connections = 2) have it open', server.log())


if __name__ == "__main__":
    main(needs=["nbdcopy", "qemu-io"])
