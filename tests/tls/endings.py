"""How streams end: with a word of TLS, whoever ends them; and what a server says by itself meanwhile."""

import json
import os
import ssl
import subprocess
import threading

from frame import PROGRAM, SIZE, TlsCase, config, main, pattern, tls, wire
from openssl import TLS1_2_VERSION, TLS1_3_VERSION, Speaker

WAYS = [(kind, newest) for kind in ("unix", "tcp") for newest in (ssl.TLSVersion.TLSv1_2, None)]


class CloseNotify(TlsCase):
    """The client can tell an end that the server wanted from one that somebody between made."""

    def start(self, *filters, **settings):
        self.control = f"unix:{self.folder}/control.sock"
        self.server = self.serve([config.memory_export("1M", "disk", filters)], tls=tls.settings(), control=self.control,
                                 listen=[f"unix:{self.folder}/s.sock", "tcp:127.0.0.1:0"], **settings)

    def secure(self, kind="unix", newest=None):
        """In the midst of the options."""
        client = self.client(self.server, kind)
        client.greet()
        client.secure(tls.context(tls.client_folder(), newest=newest))
        self.assertEqual(client.option(wire.OPT_LIST)[-1][0], wire.REP_ACK)
        return client

    def ashlar(self, *words):
        done = subprocess.run([PROGRAM, *words, "--control", self.control], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def only_client(self):
        [export] = json.loads(self.ashlar("status", "--json"))["exports"]
        [client] = export["clients"]
        return client

    def assert_told(self, client, *which):
        client.socket.suppress_ragged_eofs = False
        try:
            while client.socket.recv(1 << 20):
                pass
        except (ssl.SSLError, ConnectionError) as e:
            self.fail(f"no close_notify {which}: {e}")

    def test_by_an_operator(self):
        self.start()
        for way in WAYS:
            client = self.secure(*way).enter("disk")
            self.assertEqual(client.ask(wire.CMD_WRITE, 0, 512, data=bytes(512)), 0)
            self.ashlar("disconnect", str(self.only_client()["id"]))
            self.assert_told(client, *way)
            self.wait_until("the client is gone", lambda: '"clients": []' in self.ashlar("status", "--json"))

    def keys_for_ever(self, how):
        """A client that only changes keys, and takes the answers, is ended by how()."""
        client = self.client(self.server)
        client.greet()
        speaker = Speaker(client, TLS1_3_VERSION)
        client.enter("disk")
        number = str(self.only_client()["id"])
        ended = []
        flood = threading.Thread(target=lambda: ended.append(speaker.updates_keys_until_the_end()))
        flood.start()
        how(number)
        flood.join()
        self.assertEqual(ended, [True], self.server.log()[-2000:])

    def test_by_an_operator_while_keys_change_for_ever(self):
        self.start()
        for _ in range(5):
            self.keys_for_ever(lambda number: self.ashlar("disconnect", number))
            self.wait_until("the client is gone", lambda: '"clients": []' in self.ashlar("status", "--json"))

    def test_by_a_stop_while_keys_change_for_ever(self):
        self.start()
        self.keys_for_ever(lambda _: self.server.stop())

    def test_by_an_operator_while_the_disk_hangs(self):
        self.start({"type": "fault", "rules": ["read hang"]})
        client = self.secure().enter("disk")
        client.request(wire.CMD_READ, 0, 512)
        self.wait_until("the read is under way", lambda: self.only_client()["in_flight"] == 1)
        self.ashlar("disconnect", str(self.only_client()["id"]))
        self.assert_told(client)

    def test_by_an_operator_while_replies_are_not_taken(self):
        """There is no room to tell the client anything, and nobody waits for it."""
        self.start()
        for way in WAYS:
            client = self.secure(*way).enter("disk")
            number = self.only_client()["id"]
            client.send(wire.request(wire.CMD_READ, 0, 64 << 10) * 640)  # 40 MiB
            self.wait_until("replies are under way", lambda: self.only_client()["ops"]["read"] > 1)
            self.ashlar("disconnect", str(number))
            self.wait_until("the client is gone", lambda: '"clients": []' in self.ashlar("status", "--json"))
            client.close()

    def test_by_a_layer(self):
        self.start({"type": "fault", "rules": ["read drop"]})
        for way in WAYS:
            client = self.secure(*way).enter("disk")
            client.request(wire.CMD_READ, 0, 512)
            self.assert_told(client, *way)

    def test_by_handshake_timeout(self):
        self.start(handshake_timeout=3)
        clients = []
        for way in WAYS:
            try:
                clients.append((self.secure(*way), way))
            except wire.Closed:
                pass  # it took too long within the handshake of TLS: this machine is busy
        self.assertTrue(clients, "none was in time")
        for client, way in clients:
            self.assert_told(client, *way)

    def test_by_a_stop(self):
        self.start()
        clients = [self.secure(*way) for way in WAYS] + [self.secure(*way).enter("disk") for way in WAYS]
        self.server.stop()
        for client in clients:
            self.assert_told(client)

    def test_by_a_mistake_of_the_client(self):
        self.start()
        for way in WAYS:
            client = self.secure(*way).enter("disk")
            client.send(bytes(28))
            self.assert_told(client, *way)


class Said(TlsCase):
    """What TLS has the server say by itself does not wait for a reply."""

    def setUp(self):
        super().setUp()
        self.server = self.secured()

    def speaker(self, version):
        client = self.greeted(self.server)
        speaker = Speaker(client, version)
        self.assert_reads(client)
        return client, speaker

    def test_renegotiation_is_refused_at_once(self):
        _, speaker = self.speaker(TLS1_2_VERSION)
        self.assertTrue(speaker.is_refused_new_handshake())

    def test_new_keys_are_answered_at_once(self):
        client, speaker = self.speaker(TLS1_3_VERSION)
        for at in (0, 512):
            self.assertTrue(speaker.update_keys())
            self.assertTrue(speaker.has_answer(), "no answer")
            self.assert_same(client.ask(wire.CMD_READ, at, 512), pattern(SIZE)[at:at + 512])

    def test_new_keys_for_ever(self):
        client, speaker = self.speaker(TLS1_3_VERSION)
        data = pattern(SIZE)
        for at in range(0, 5 * 512, 512):
            for _ in range(500):
                self.assertTrue(speaker.update_keys())
            self.assert_same(client.ask(wire.CMD_READ, at, 512), data[at:at + 512])

    def test_new_keys_within_a_request(self):
        client, speaker = self.speaker(TLS1_3_VERSION)
        data = os.urandom(1 << 20)
        client.send(wire.request(wire.CMD_WRITE, 0, len(data)))
        for at in range(0, len(data), 1024):
            self.assertTrue(speaker.update_keys())
            client.send(data[at:at + 1024])
        self.assertEqual(client.simple_reply()[0], 0)
        self.assert_same(client.ask(wire.CMD_READ, 0, len(data)), data)

    def test_who_takes_no_answers_is_ended(self):
        client, speaker = self.speaker(TLS1_3_VERSION)
        while speaker.update_keys():
            pass
        self.assert_logged(self.server, "asked for answers of TLS, such as to new keys, and took none of them; ")
        self.good_client(self.server)


if __name__ == "__main__":
    main()
