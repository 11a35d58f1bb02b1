"""Real clients by certificates and by keys, over tcp and unix: those that get in, and those that do not."""

import contextlib
import itertools
import json
import random
import shutil
import subprocess
import time
import urllib.parse

from frame import MIB, PATIENCE, PROGRAM, SIZE, TlsCase, libnbd, main, pattern, processes, run, tls, wire
from relay import Relay, list_option

KINDS = ("tcp", "unix")
WAYS = ("certificate", "key")


def uri(server, kind, way, name="disk", folder=None, user=tls.USER, keys=None):
    """As libnbd takes it."""
    scheme, where, query = ("nbds", server.address("tcp").removeprefix("tcp:"), "") if kind == "tcp" else (
        "nbds+unix", "", f"socket={server.socket}&")
    if way == "certificate":
        return f"{scheme}://{where}/{name}?{query}tls-certificates={folder or tls.client_folder()}"
    return f"{scheme}://{user}@{where}/{name}?{query}tls-psk-file={keys or tls.client_folder(tls.USER) / 'keys.psk'}"


def for_qemu(server, kind, way):
    """qemu's words for the same."""
    if way == "certificate":
        object = f"tls-creds-x509,id=tls0,endpoint=client,dir={tls.client_folder()}"
    else:
        object = f"tls-creds-psk,id=tls0,endpoint=client,username={tls.USER},dir={tls.client_folder(tls.USER)}"
    where = f"path={server.socket},tls-hostname=localhost"
    if kind == "tcp":
        host, port = server.endpoint("tcp")
        where = f"host={host},port={port}"
    return ["--object", object, "--image-opts", f"driver=nbd,{where},export=disk,tls-creds=tls0"]


class LetIn(TlsCase):
    def setUp(self):
        super().setUp()
        self.server = self.secured("require", listen=["tcp:127.0.0.1:0", f"unix:{self.folder}/s.sock"])

    def test_nbdinfo(self):
        for kind, way in itertools.product(KINDS, WAYS):
            self.assertEqual(int(run("nbdinfo", "--size", uri(self.server, kind, way))), SIZE, f"{kind} {way}")
            self.assertIn("sealed", run("nbdinfo", "--list", uri(self.server, kind, way, name="")))

    def test_nbdcopy_there_and_back(self):
        source, back = self.folder / "source.img", self.folder / "back.img"
        for number, (kind, way) in enumerate(itertools.product(KINDS, WAYS)):
            source.write_bytes(pattern(SIZE, number + 1))
            run("nbdcopy", "--flush", source, uri(self.server, kind, way))
            run("nbdcopy", uri(self.server, kind, way), back)
            self.assert_same(back.read_bytes(), pattern(SIZE, number + 1), f"{kind} {way}")

    def test_qemu_img(self):
        back = self.folder / "back.img"
        for kind, way in itertools.product(KINDS, WAYS):
            run("qemu-img", "convert", *for_qemu(self.server, kind, way), "-O", "raw", back)
            self.assert_same(back.read_bytes(), pattern(SIZE), f"{kind} {way}")

    def test_the_log_tells_who_it_was(self):
        for way in WAYS:
            run("nbdinfo", "--size", uri(self.server, "unix", way))
        self.assert_logged(self.server, r'\(CN=host1,O=ashlar\): opened export "disk"')
        self.assert_logged(self.server, r'\(psk alice\): opened export "disk"')
        self.assertNotIn((tls.folder() / "keys.psk").read_text().split(":")[1].strip(), self.server.log())

    def test_openssl_and_gnutls_by_tls_1_3_and_1_2(self):
        """They speak no NBD: what they send is LIST, and the answer has the exports' names."""
        relay = Relay(self.server)
        self.addCleanup(relay.close)
        folder, key = tls.client_folder(), (tls.folder() / "keys.psk").read_text().split(":")[1].strip()
        certificate = ["-cert", folder / "client-cert.pem", "-key", folder / "client-key.pem", "-CAfile", folder / "ca-cert.pem"]
        user = ["-psk_identity", tls.USER, "-psk", key]
        commands = [["openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", version, "-connect",
                     f"127.0.0.1:{relay.port}", *how]
                    for version in ("-tls1_3", "-tls1_2") for how in (certificate, user)]
        commands += [["gnutls-cli", "--logfile=/dev/null", "--x509cafile", folder / "ca-cert.pem", "--x509certfile",
                      folder / "client-cert.pem",
                      "--x509keyfile", folder / "client-key.pem", "--priority", priority, "-p", relay.port, "127.0.0.1"]
                     for priority in ("NORMAL", "NORMAL:-VERS-TLS1.3")]
        commands += [["gnutls-cli", "--logfile=/dev/null", "--pskusername", tls.USER, "--pskkey", key, "--priority",
                      priority, "-p", relay.port, "127.0.0.1"]
                     # gnutls-cli 3.7 crashes when it tells of the other exchanges of TLS 1.2 after their handshake.
                     for priority in ("NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK", "NORMAL:-VERS-TLS1.3:-KX-ALL:+PSK")]
        for command in commands:
            words = [str(word) for word in command]
            client = processes.start(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            client.stdin.write(list_option())
            client.stdin.flush()
            found = b""
            while b"sealed" not in found:
                part = client.stdout.read1(4096)
                if not part:
                    break
                found += part
            client.kill()
            client.communicate()
            self.assertIn(b"sealed", found, f"{' '.join(words)}: {found!r}\n{self.server.log()[-2000:]}")

    def openssl_client(self):
        """openssl s_client by TLS 1.3, and a function that reads what it prints up to some words; false: it has ended."""
        relay = Relay(self.server)
        self.addCleanup(relay.close)
        folder = tls.client_folder()
        client = processes.start([str(word) for word in (
            "openssl", "s_client", "-tls1_3", "-cert", folder / "client-cert.pem", "-key", folder / "client-key.pem", "-CAfile",
            folder / "ca-cert.pem", "-connect", f"127.0.0.1:{relay.port}")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)

        def reads(wanted):
            found = b""
            while wanted not in found:
                part = client.stdout.read1(4096)
                if not part:
                    return False
                found += part
            return True

        self.assertTrue(reads(b"Verify return code: 0"))
        return client, reads

    def test_a_client_that_changes_keys_and_wants_the_server_to(self):
        client, reads = self.openssl_client()
        for _ in range(3):
            client.stdin.write(b"K\n")  # s_client's command
            client.stdin.flush()
            self.assertTrue(reads(b"KEYUPDATE"))
            client.stdin.write(list_option())
            client.stdin.flush()
            self.assertTrue(reads(b"sealed"), self.server.log()[-2000:])

    def test_a_client_that_only_changes_keys_is_ended_for_the_answers_take_memory(self):
        client, reads = self.openssl_client()
        with contextlib.suppress(BrokenPipeError):  # it has ended
            for _ in range(1000):
                client.stdin.write(b"K\n")
                client.stdin.flush()
                if not reads(b"KEYUPDATE"):
                    break
        client.wait(60)
        self.good_client(self.server)

    def test_a_client_that_speaks_plainly(self):
        done = run("nbdinfo", "--size", self.server.uri("disk"), ok=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("TLS", done.stdout)
        self.assert_logged(self.server, "warning unix:pid=[0-9]+,uid=[0-9]+: refused: it does not speak TLS, which is required")

    def test_a_client_that_is_told_to_speak_tls_and_does_is_no_news(self):
        client = self.greeted(self.server)
        self.assertEqual(client.option(wire.OPT_LIST)[-1][0], wire.REP_ERR_TLS_REQD)
        client.secure(tls.context(tls.client_folder()))
        client.option(wire.OPT_ABORT)
        client.close()
        self.server.stop()
        self.assertNotIn("refused", self.server.log())


class KeptOut(TlsCase):
    def setUp(self):
        super().setUp()
        self.server = self.secured("require")

    def assert_kept_out(self, where, why, server=None):
        server = server or self.server
        self.assertNotEqual(run("nbdinfo", "--size", where, ok=False).returncode, 0)
        if why is not None:
            self.assert_logged(server, why)
        self.assertNotIn("opened export", server.log())
        self.good_client(server)

    def test_a_wrong_key(self):
        keys = self.write("keys.psk", f"{tls.USER}:{'ab' * 32}\n")
        self.assert_kept_out(uri(self.server, "unix", "key", keys=keys), f'refused by TLS: user "{tls.USER}": ')

    def test_an_unknown_user(self):
        keys = self.write("keys.psk", f"mallory:{'ab' * 32}\n")
        self.assert_kept_out(uri(self.server, "unix", "key", user="mallory", keys=keys), 'user "mallory" is not known')

    def test_who_is_refused_again_is_counted_by_what_is_wrong_and_the_last_is_named(self):
        for user in ("mallory", "eve", 'a"b'):
            keys = self.write("keys.psk", f"{user}:{'ab' * 32}\n")
            run("nbdinfo", "--size", uri(self.server, "unix", "key", user=urllib.parse.quote(user), keys=keys), ok=False)
            self.assert_logged(self.server, 'user "mallory" is not known')
        client = self.greeted(self.server)
        with self.assertRaises((tls.ssl.SSLError, wire.Closed, ConnectionError)):
            client.secure(tls.context())
            client.option(wire.OPT_LIST)
        self.assert_logged(self.server, "refused by TLS: peer did not return a certificate")
        self.server.stop()
        self.assertRegex(self.server.log(), r'unix:uid=\d+: refused by TLS: user is not known \(2 more like it within 10 s, the last: '
                                            r'user "a\\"b" is not known\)')

    def test_an_unknown_user_where_clients_are_not_verified(self):
        server = self.secured("require", more={"verify_client": False})
        keys = self.write("keys.psk", f"mallory:{'ab' * 32}\n")
        self.assert_kept_out(uri(server, "unix", "key", user="mallory", keys=keys), 'user "mallory" is not known', server)

    def test_an_expired_certificate(self):
        folder = tls.Authority(tls.folder()).expired(self.folder / "late", "client")
        client = self.greeted(self.server)
        with self.assertRaises((tls.ssl.SSLError, wire.Closed, ConnectionError)):
            client.secure(tls.context(folder))
            client.option(wire.OPT_LIST)
        self.assert_logged(self.server, 'certificate "CN=late,O=ashlar": certificate has expired')

    def test_a_revoked_certificate(self):
        made = self.folder / "pki"
        tls.make(made, "--server", "localhost", "--client", "good", "--client", "bad")
        tls.Authority(made).revoke(made / "clients" / "bad" / "client-cert.pem", made / "server" / "ca-crl.pem")
        server = self.secured("require", certificates=made / "server")
        # libnbd says nothing of the certificate that is wanted, but shows its own.
        self.assertNotEqual(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=made / "clients" / "bad"),
                                ok=False).returncode, 0)
        self.assert_logged(server, 'certificate "CN=bad,O=ashlar": certificate revoked')
        self.assertNotIn("opened export", server.log())
        self.assertEqual(int(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=made / "clients" / "good"))), SIZE)

    def made_as_certtool_does(self):
        """A CA that signs certificates, and by its key usage no lists of revoked ones."""
        authority = tls.Authority.of_its_own(self.folder / "own", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        for kind, name in (("server", "localhost"), ("client", "good"), ("client", "bad")):
            authority.issue(self.folder / "own" / (kind if kind == "server" else name), kind, name)
        return authority

    def test_an_authority_whose_key_usage_has_no_lists(self):
        authority = self.made_as_certtool_does()
        own = authority.folder
        authority.revoke(own / "bad" / "client-cert.pem", own / "server" / "ca-crl.pem")
        server = self.secured("require", certificates=own / "server")
        self.assertEqual(int(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=own / "good"))), SIZE)
        self.assertNotEqual(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=own / "bad"), ok=False).returncode, 0)
        self.assert_logged(server, 'certificate "CN=bad,O=ashlar": certificate revoked')

    def test_an_authority_that_another_one_has_signed(self):
        """The other one is not in the file, and what is in it is trusted, as by GnuTLS."""
        made = self.folder / "pki"
        tls.make(made, "--server", "localhost", "--client", "stranger")
        between = tls.Authority.below(tls.Authority(made), self.folder / "between")
        for kind, name in (("server", "localhost"), ("client", "good")):
            between.issue(self.folder / "between" / name, kind, name)
        server = self.secured("require", certificates=self.folder / "between" / "localhost")
        good, stranger = self.folder / "between" / "good", made / "clients" / "stranger"
        self.assertEqual(int(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=good))), SIZE)
        self.assertNotEqual(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=stranger), ok=False).returncode, 0)
        self.assert_logged(server, "refused by TLS: ")

    def test_a_certificate_that_stands_for_itself(self):
        """Of no authority, but in ca-cert.pem: who has it gets in, as by GnuTLS, and nobody whom it has signed."""
        made, own = self.folder / "pki", self.folder / "own"
        tls.make(made, "--server", "localhost", "--client", "host1")
        pinned = tls.Authority.of_its_own(own, "basicConstraints=critical,CA:FALSE", subject="/CN=pinned")
        signed = pinned.issue(self.folder / "signed", "client", "signed")
        for kind in ("cert", "key"):
            shutil.copy(own / f"ca-{kind}.pem", own / f"client-{kind}.pem")
        authority = (made / "ca-cert.pem").read_bytes()
        for number, (trusted, host1) in enumerate(((b"", False), (authority, True))):
            folder = self.folder / f"server{number}"
            shutil.copytree(made / "server", folder)
            (folder / "ca-cert.pem").write_bytes(trusted + (own / "client-cert.pem").read_bytes())
            server = self.secured("require", certificates=folder)
            for client, gets_in in ((own, True), (signed, False), (made / "clients" / "host1", host1)):
                shutil.copy(made / "ca-cert.pem", client)  # of the server
                done = run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=client), ok=False)
                self.assertEqual(done.returncode == 0, gets_in, (number, client, done.stdout))

    def test_an_authority_between_that_was_revoked(self):
        made = self.folder / "pki"
        tls.make(made, "--server", "localhost")
        root = tls.Authority(made)
        between = tls.Authority.below(root, self.folder / "between")
        good = between.issue(self.folder / "good", "client", "good")
        both = made / "server" / "ca-cert.pem"
        both.write_bytes(both.read_bytes() + (between.folder / "ca-cert.pem").read_bytes())
        server = self.secured("require", certificates=made / "server")
        self.assertEqual(int(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=self.shown(good, made)))), SIZE)
        root.revoke(between.folder / "ca-cert.pem", made / "server" / "ca-crl.pem")
        server = self.secured("require", certificates=made / "server")
        self.assert_logged(server, "warning .*ca-cert.pem: CN=below,O=ashlar is revoked by ca-crl.pem, and not trusted")
        self.assertNotEqual(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=good), ok=False).returncode, 0)
        self.assert_logged(server, 'refused by TLS: ')
        (good / "client-cert.pem").write_bytes((good / "client-cert.pem").read_bytes() + (between.folder / "ca-cert.pem").read_bytes())
        self.assertNotEqual(run("nbdinfo", "--size", uri(server, "unix", "certificate", folder=good), ok=False).returncode, 0)
        self.assert_logged(server, 'certificate "CN=below,O=ashlar": certificate revoked')

    def shown(self, folder, made):
        """The client has to know the server's authority, too."""
        shutil.copy(made / "ca-cert.pem", folder / "ca-cert.pem")
        return folder

    def test_a_server_by_another_name(self):
        made = self.folder / "pki"
        tls.make(made, "--server", "elsewhere.example.org", "--client", "host1")
        server = self.secured("require", listen=["tcp:127.0.0.1:0"], certificates=made / "server")
        done = run("nbdinfo", "--size", uri(server, "tcp", "certificate", folder=made / "clients" / "host1"), ok=False)
        self.assertNotEqual(done.returncode, 0)  # it is the client that goes
        self.assertNotIn("opened export", server.log())


class Load(TlsCase):
    def test_random_requests_equal_a_model(self):
        server = self.secured("require")
        model, dice = bytearray(pattern(SIZE)), random.Random(1)
        handle = libnbd.connect(uri(server, "unix", "certificate"))
        for _ in range(100 if processes.os.environ.get("ASHLAR_SANITIZE") else 400):
            offset = dice.randrange(SIZE)
            length = dice.randrange(1, min(SIZE - offset, dice.choice((512, 70_000, MIB))) + 1)
            choice = dice.randrange(3)
            if choice == 0:
                self.assert_same(handle.pread(length, offset), model[offset:offset + length])
            elif choice == 1:
                data = dice.randbytes(length)
                handle.pwrite(data, offset)
                model[offset:offset + length] = data
            else:
                handle.zero(length, offset)
                model[offset:offset + length] = bytes(length)
        self.assert_same(handle.pread(SIZE, 0), model)
        handle.shutdown()
        server.stop()
        self.assert_same(self.disk.read_bytes(), model)

    def test_what_it_needs_to_encrypt_counts_as_the_clients_memory(self):
        control = f"unix:{self.folder}/control.sock"
        server = self.secured("require", control=control)

        def memory():
            told = json.loads(run(PROGRAM, "status", "--json", "--control", control))
            return [client["memory"] for export in told["exports"] for client in export["clients"]]

        client = self.greeted(server)
        client.secure(tls.context(tls.client_folder()))
        self.assert_reads(client)
        client.send(wire.request(wire.CMD_WRITE, 0, 200_000) + bytes(100_000))
        end = time.monotonic() + PATIENCE
        while not any(bytes_held > 768 * 1024 for bytes_held in memory()):  # two buffers of 256 KiB, and those of TLS
            self.assertLess(time.monotonic(), end, memory())
            time.sleep(0.05)
        client.close()


if __name__ == "__main__":
    main(needs=["nbdinfo", "nbdcopy", "qemu-img", "openssl", "gnutls-cli"])
