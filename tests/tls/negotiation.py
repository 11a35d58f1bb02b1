"""Who is let in, by the protocol's text: STARTTLS, FORCEDTLS, SELECTIVETLS, byte by byte."""

import os
import ssl
import struct
import time

from frame import MIB, SIZE, TlsCase, config, main, pattern, processes, tls, wire

UNKNOWN_OPTION = 4000
NAMES = ("disk", "sealed", "", "none")


def error_of(replies):
    return replies[-1][0]


class Forced(TlsCase):
    """mode = "require": proto.md, "FORCEDTLS mode"."""

    def setUp(self):
        super().setUp()
        self.server = self.secured("require", handshake_timeout=30)

    def test_everything_but_starttls_and_abort_is_refused(self):
        client = self.greeted(self.server)
        options = [(wire.OPT_LIST, b""), (wire.OPT_LIST, b"x"), (wire.OPT_STRUCTURED_REPLY, b""), (UNKNOWN_OPTION, b"x" * 100_000),
                   (wire.OPT_LIST_META_CONTEXT, b""), (wire.OPT_SET_META_CONTEXT, b"x")]
        options += [(option, wire.go_data(name)) for option in (wire.OPT_INFO, wire.OPT_GO) for name in NAMES]
        for option, data in options:
            self.assertEqual(error_of(client.option(option, data)), wire.REP_ERR_TLS_REQD, f"option {option}")
        client.secure(tls.context(tls.client_folder()))
        self.assert_reads(client)

    def test_export_name_ends_the_session(self):
        client = self.greeted(self.server)
        client.send(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_EXPORT_NAME, 4) + b"disk")
        with self.assertRaises(wire.Closed):
            client.receive(1)

    def test_abort_is_acknowledged(self):
        client = self.greeted(self.server)
        self.assertEqual(client.option(wire.OPT_ABORT), [(wire.REP_ACK, b"")])
        self.assertTrue(client.is_closed())

    def test_starttls_with_data_is_invalid_and_does_not_begin(self):
        client = self.greeted(self.server)
        self.assertEqual(error_of(client.option(wire.OPT_STARTTLS, b"x")), wire.REP_ERR_INVALID)
        self.assertEqual(error_of(client.option(wire.OPT_LIST)), wire.REP_ERR_TLS_REQD)
        client.secure(tls.context(tls.client_folder()))
        self.assert_reads(client)

    def test_starttls_again_is_invalid(self):
        client = self.greeted(self.server)
        client.secure(tls.context(tls.client_folder()))
        self.assertEqual(error_of(client.option(wire.OPT_STARTTLS)), wire.REP_ERR_INVALID)
        self.assert_reads(client)

    def test_what_was_said_in_plain_is_forgotten(self):
        server = self.secured("allow")
        client = self.greeted(server)
        self.assertEqual(error_of(client.option(wire.OPT_STRUCTURED_REPLY)), wire.REP_ACK)
        queries = struct.pack(">I4sII15s", 4, b"disk", 1, 15, b"base:allocation")
        self.assertEqual(error_of(client.option(wire.OPT_SET_META_CONTEXT, queries)), wire.REP_ACK)
        client.secure(tls.context(tls.client_folder()))
        # Structured replies, and with them contexts, have to be asked for anew.
        self.assertEqual(error_of(client.option(wire.OPT_SET_META_CONTEXT, queries)), wire.REP_ERR_INVALID)
        self.assert_reads(client)  # by simple replies

    def test_plaintext_behind_starttls_ends_the_session(self):
        more = struct.pack(">QII", wire.IHAVEOPT, wire.OPT_LIST, 0)
        for behind in (more, b"\x16\x03\x01", b"x", bytes(100_000)):
            client = self.greeted(self.server)
            client.send(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_STARTTLS, 0) + behind)
            self.assertTrue(client.is_closed(), f"with {behind[:10]!r} behind")
        self.assert_logged(self.server, "warning unix:[^:]*: refused: something was sent in plain behind STARTTLS")
        self.assertNotIn("opened export", self.server.log())

    def test_plaintext_in_place_of_the_tls_handshake_ends_the_session(self):
        for instead in (struct.pack(">QII", wire.IHAVEOPT, wire.OPT_LIST, 0), os.urandom(5000), bytes(5000), b"GET / HTTP/1.0\r\n\r\n"):
            client = self.greeted(self.server)
            self.assertEqual(client.option(wire.OPT_STARTTLS), [(wire.REP_ACK, b"")])
            client.send(instead)
            self.assertTrue(client.is_closed())
        self.good_client(self.server)

    def test_a_client_without_fixed_newstyle_is_refused_without_a_word_of_tls(self):
        client = self.greeted(self.server, flags=0)
        for option in (wire.OPT_STARTTLS, wire.OPT_LIST):
            self.assertEqual(error_of(client.option(option)), wire.REP_ERR_POLICY)
        client.send(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_EXPORT_NAME, 4) + b"disk")
        self.assertTrue(client.is_closed())


class Selective(TlsCase):
    """mode = "allow": proto.md, "SELECTIVETLS mode"."""

    def setUp(self):
        super().setUp()
        self.server = self.secured("allow")

    def test_an_export_that_requires_tls_and_one_that_is_none_look_alike(self):
        client = self.greeted(self.server)
        for option in (wire.OPT_INFO, wire.OPT_GO):
            sealed, none = (client.option(option, wire.go_data(name)) for name in ("sealed", "none"))
            self.assertEqual(sealed, none)
            self.assertEqual(error_of(sealed), wire.REP_ERR_TLS_REQD)

    def test_contexts_of_what_is_hidden_are_of_nothing(self):
        client = self.greeted(self.server)
        client.option(wire.OPT_STRUCTURED_REPLY)
        for option in (wire.OPT_LIST_META_CONTEXT, wire.OPT_SET_META_CONTEXT):
            replies = [client.option(option, struct.pack(f">I{len(name)}sI", len(name), name, 0)) for name in (b"sealed", b"none!!")]
            self.assertEqual(replies[0], replies[1])
            self.assertEqual(error_of(replies[0]), wire.REP_ERR_UNKNOWN)  # TLS_REQD is for INFO and GO alone

    def test_export_name_of_what_is_hidden_ends_the_session(self):
        client = self.greeted(self.server)
        client.send(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_EXPORT_NAME, 6) + b"sealed")
        with self.assertRaises(wire.Closed):
            client.receive(1)

    def test_what_is_hidden_is_listed_by_tls_only(self):
        def names(client):
            return [data[4:] for kind, data in client.option(wire.OPT_LIST) if kind == wire.REP_SERVER]

        client = self.greeted(self.server)
        self.assertEqual(names(client), [b"disk"])
        client.secure(tls.context(tls.client_folder()))
        self.assertEqual(names(client), [b"disk", b"sealed"])
        self.assertEqual(error_of(client.option(wire.OPT_INFO, wire.go_data("none"))), wire.REP_ERR_UNKNOWN)
        self.assert_reads(client, "sealed")

    def test_who_names_none_does_not_get_another_than_by_tls(self):
        exports = [config.memory_export("1M", "first", tls="require"), config.memory_export("2M", "second")]
        server = self.serve(exports, tls=tls.settings("allow"))
        client = self.greeted(server)
        self.assertEqual(error_of(client.option(wire.OPT_GO, wire.go_data(""))), wire.REP_ERR_TLS_REQD)
        client.secure(tls.context(tls.client_folder()))
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data(""))[-1][0], wire.REP_ACK)
        self.assertEqual(len(client.ask(wire.CMD_READ, MIB - 512, 512)), 512)
        self.assertNotEqual(client.ask(wire.CMD_READ, MIB, 512), bytes(512))

    def test_others_are_served_in_plain(self):
        self.assert_reads(self.greeted(self.server))


class Identity(TlsCase):
    """Who gets in."""

    def test_no_certificate(self):
        server = self.secured("require", certificates=tls.folder() / "server")
        self.assert_refused(server, tls.context(), "peer did not return a certificate")

    def test_no_certificate_is_needed_when_clients_are_not_verified(self):
        server = self.secured("require", certificates=tls.folder() / "server", more={"verify_client": False})
        client = self.greeted(server)
        client.secure(tls.context())
        self.assert_reads(client)

    def test_a_certificate_of_another_authority(self):
        tls.make(self.folder / "others", "--server", "localhost", "--client", "host1")
        server = self.secured()
        self.assert_refused(server, tls.context(self.folder / "others" / "clients" / "host1"), "unable to get local issuer certificate")

    def test_a_servers_certificate_in_place_of_a_clients(self):
        server = self.secured()
        folder = self.folder / "client"
        folder.mkdir()
        for kind in ("cert", "key"):
            (folder / f"client-{kind}.pem").write_bytes((tls.folder() / "server" / f"server-{kind}.pem").read_bytes())
        self.assert_refused(server, tls.context(folder), "unsuitable certificate purpose")

    def test_old_versions(self):
        server = self.secured()
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = tls.context(tls.client_folder(), newest=version, oldest=version)
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            self.assert_refused(server, context, None)
        client = self.greeted(server)
        client.secure(tls.context(tls.client_folder(), newest=ssl.TLSVersion.TLSv1_2))
        self.assertEqual(client.socket.version(), "TLSv1.2")
        self.assert_reads(client)

    def test_the_minimum_version_of_the_config(self):
        server = self.secured(more={"minimum_version": "1.3"})
        self.assert_refused(server, tls.context(tls.client_folder(), newest=ssl.TLSVersion.TLSv1_2), "unsupported protocol")
        self.good_client(server)

    def test_ciphers_of_the_config(self):
        server = self.secured(more={"ciphers": "TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384"})
        for newest, suite in ((None, "TLS_AES_256_GCM_SHA384"), (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384")):
            client = self.greeted(server)
            client.secure(tls.context(tls.client_folder(), newest=newest))
            self.assertEqual(client.socket.cipher()[0], suite)
            self.assert_reads(client)

    def test_the_preferred_suite(self):
        client = self.greeted(self.secured())
        client.secure(tls.context(tls.client_folder()))
        self.assertEqual(client.socket.cipher()[0], "TLS_AES_128_GCM_SHA256")
        self.assertIsNone(client.socket.compression())

    def test_sessions_are_not_resumed(self):
        for newest in (None, ssl.TLSVersion.TLSv1_2):
            context = tls.context(tls.client_folder(), newest=newest)
            server = self.secured()
            client = self.greeted(server)
            client.secure(context)
            self.assert_reads(client)
            again = self.greeted(server)
            self.assertEqual(again.option(wire.OPT_STARTTLS), [(wire.REP_ACK, b"")])
            again.socket = context.wrap_socket(again.socket, session=client.socket.session)
            self.assertFalse(again.socket.session_reused)
            self.assert_reads(again)

    def assert_refused(self, server, context, why):
        opened = server.log().count("opened export")
        client = self.greeted(server)
        with self.assertRaises((ssl.SSLError, wire.Closed, ConnectionError)):
            client.secure(context)
            client.option(wire.OPT_LIST)  # in TLS 1.3 a client learns it only now
        client.close()
        if why is not None:
            self.assert_logged(server, why)
        self.good_client(server)
        self.assert_logged(server, "opened export")
        self.assertEqual(server.log().count("opened export"), opened + 1)  # by the good one


class Stream(TlsCase):
    def test_the_stream_ends_as_tls_ends_it(self):
        client = self.greeted(self.secured())
        client.secure(tls.context(tls.client_folder()))
        self.assert_reads(client)
        client.request(wire.CMD_DISC)
        # Without close_notify this would be an error: the end could be anybody's.
        client.socket.suppress_ragged_eofs = False
        self.assertEqual(client.socket.recv(1), b"")

    def test_bytes_that_come_one_by_one(self):
        client = self.greeted(self.secured())
        client.option(wire.OPT_STARTTLS)
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = tls.context(tls.client_folder()).wrap_bio(coming, going)

        def through(call):
            while True:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    for byte in going.read():
                        client.socket.send(bytes([byte]))
                    coming.write(client.socket.recv(70_000))

        def send():
            for byte in going.read():
                client.socket.send(bytes([byte]))

        through(inner.do_handshake)
        inner.write(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_EXPORT_NAME, 4) + b"disk")
        inner.write(wire.request(wire.CMD_READ, 0, 512))
        send()
        found = b""
        while len(found) < 10 + 16 + 512:
            found += through(lambda: inner.read(4096))
        self.assert_same(found[26:], pattern(SIZE)[:512])

    def secured_in_memory(self, server):
        """A client whose records go through this test; its last words of the handshake are in the third still."""
        client = self.greeted(server)
        client.option(wire.OPT_STARTTLS)
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = tls.context(tls.client_folder()).wrap_bio(coming, going)
        while True:
            try:
                inner.do_handshake()
                return client, inner, going
            except ssl.SSLWantReadError:
                client.send(going.read())
                coming.write(client.socket.recv(70_000))

    def test_a_record_cut_in_the_middle(self):
        server = self.secured()
        for cut in (1, 3, 5, 6, 20):
            client, inner, going = self.secured_in_memory(server)
            inner.write(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_LIST, 0))
            client.send(going.read()[:-cut])
            client.close()
        self.good_client(server)

    def test_a_record_that_was_tampered_with_is_never_taken(self):
        server = self.secured()
        client, inner, going = self.secured_in_memory(server)
        client.send(going.read())
        inner.write(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_EXPORT_NAME, 4) + b"disk")
        record = bytearray(going.read())
        record[-1] ^= 1
        client.send(bytes(record))
        self.assertTrue(client.is_closed())
        self.assertNotIn("opened export", server.log())

    def test_the_log_says_how_records_ended_in_transmission(self):
        for end, told in ((lambda record: record[:-1], "closed within a record of TLS"),
                          (lambda record: record[:3], "closed within a record of TLS"),
                          (lambda record: record[:-1] + bytes([record[-1] ^ 1]), "what came was no good record of TLS"),
                          (lambda record: b"", "closed by the client")):
            server = self.secured()
            client, inner, going = self.secured_in_memory(server)
            inner.write(struct.pack(">QII", wire.IHAVEOPT, wire.OPT_EXPORT_NAME, 4) + b"disk")
            client.send(going.read())
            self.assertNotEqual(client.socket.recv(70_000), b"")  # it is served
            inner.write(bytes(28))
            client.send(end(going.read()))
            client.close()
            self.assert_logged(server, f'closed export "disk": {told}; ')


class Dawdling(TlsCase):
    def test_clients_stuck_in_each_step_are_dropped_and_take_no_thread(self):
        server = self.secured("require", handshake_timeout=15)
        before = processes.threads(server.pid)
        stuck = []
        for step in range(4):
            for _ in range(10):
                client = self.client(server)
                stuck.append(client)
                if step >= 1:
                    client.greet()
                if step >= 2:
                    client.option(wire.OPT_STARTTLS)
                if step >= 3:
                    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
                    inner = tls.context(tls.client_folder()).wrap_bio(coming, going)
                    with self.assertRaises(ssl.SSLWantReadError):
                        inner.do_handshake()
                    client.send(going.read()[:-10] if step == 3 and len(stuck) % 2 else going.read())
        end = time.monotonic() + 14
        fewest = processes.threads(server.pid)
        while fewest > before + 3 and time.monotonic() < end:
            time.sleep(0.1)
            fewest = min(fewest, processes.threads(server.pid))
        self.assertLessEqual(fewest, before + 3)  # 40 clients wait, and a few threads may
        for client in stuck:
            self.assertTrue(client.is_closed())
        self.good_client(server)

    def test_many_handshakes_at_once(self):
        server = self.secured("require", max_connections=2000, handshake_timeout=600)
        number = 100 if os.environ.get("ASHLAR_SANITIZE") else 400
        context = tls.context(tls.client_folder())
        going = []
        for _ in range(number):
            client = self.greeted(server)
            client.option(wire.OPT_STARTTLS)
            client.socket = context.wrap_socket(client.socket, do_handshake_on_connect=False)
            client.socket.setblocking(False)
            going.append(client)
        left = list(going)
        while left:
            rest = []
            for client in left:
                try:
                    client.socket.do_handshake()
                except ssl.SSLWantReadError:
                    rest.append(client)
            left = rest
            time.sleep(0.01)
        for client in going:
            client.socket.settimeout(60)
            self.assert_reads(client)


if __name__ == "__main__":
    main()
