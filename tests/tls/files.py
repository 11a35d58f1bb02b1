"""Files of certificates and keys: what is wrong with them, `ashlar certs`, and new ones while the server runs."""

import os
import pathlib
import re
import shutil
import stat
import tempfile
import time

from frame import SIZE, Case, TlsCase, config, main, run, tls, wire
from lib.server import PROGRAM, SANITIZED

PATIENCE = 60  # seconds; only a failure takes so long
CERTIFICATES = ("ca-cert.pem", "server-cert.pem", "server-key.pem")


class Mistakes(Case):
    """Each is told with file, line and column, and exit code 2."""

    def setUp(self):
        super().setUp()
        self.pki = self.folder / "pki"
        shutil.copytree(tls.folder() / "server", self.pki)
        self.keys = self.folder / "keys.psk"
        shutil.copy(tls.folder() / "keys.psk", self.keys)

    def check(self, exports=None, **own):
        own = {"mode": "require", "certificates": self.pki, "psk": self.keys, **own}
        own = {key: value for key, value in own.items() if value is not None}
        self.file = self.write("a.toml", config.toml(exports or [config.memory_export("1M")], tls=own))
        return run(PROGRAM, "check", self.file, ok=False)

    def assert_mistake(self, *texts, **own):
        done = self.check(**own)
        self.assertEqual(done.returncode, 2, done.stdout)
        for text in texts:
            self.assertIn(text, done.stdout)
        return done.stdout

    def place_of(self, key):
        line = self.file.read_text().split("\n")[1]
        return f"{self.file}:2:{line.index(key + ' = ') + len(key) + 4}: key \"{key}\": "

    def test_all_well(self):
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("warning", done.stdout)

    def test_missing_files(self):
        for name in CERTIFICATES:
            os.rename(self.pki / name, self.folder / "away")
            out = self.assert_mistake(f"{self.pki / name}: No such file or directory")
            self.assertIn(self.place_of("certificates"), out)
            os.rename(self.folder / "away", self.pki / name)
        os.unlink(self.keys)
        out = self.assert_mistake(f"{self.keys}: No such file or directory")
        self.assertIn(self.place_of("psk"), out)

    def test_files_that_are_none(self):
        for name in CERTIFICATES:
            good = (self.pki / name).read_bytes()
            for bad in (b"", b"nonsense\n", good[:100], good[:200] + b"!" + good[201:]):
                (self.pki / name).write_bytes(bad)
                self.assert_mistake(f"{self.pki / name}: ")
            (self.pki / name).unlink()
            (self.pki / name).mkdir()
            self.assert_mistake(f"{self.pki / name}: is a folder")
            (self.pki / name).rmdir()
            (self.pki / name).write_bytes(good)
        self.assertEqual(self.check().returncode, 0)

    def test_a_key_that_does_not_fit(self):
        tls.make(self.folder / "others", "--server", "localhost")
        shutil.copy(self.folder / "others" / "server" / "server-key.pem", self.pki)
        self.assert_mistake(f"{self.pki}/server-cert.pem: does not fit the key in {self.pki}/server-key.pem")

    def test_a_clients_certificate_in_place_of_the_servers(self):
        for kind in ("cert", "key"):
            shutil.copy(tls.client_folder() / f"client-{kind}.pem", self.pki / f"server-{kind}.pem")
        self.assert_mistake("is not made for a server of TLS")

    def test_an_expired_certificate(self):
        tls.Authority(tls.folder()).expired(self.pki, "server")
        self.assert_mistake("server-cert.pem: has expired on 2021-01-01 00:00:00 UTC")

    def test_a_list_of_revoked_that_is_none(self):
        (self.pki / "ca-crl.pem").write_text("nonsense\n")
        self.assert_mistake("ca-crl.pem: has no list of revoked certificates")

    def test_a_list_of_revoked_with_which_nobody_would_get_in(self):
        authority = tls.Authority(tls.folder())
        revoked = self.pki / "ca-crl.pem"
        authority.list_revoked(revoked, "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20210101000000Z")
        self.assert_mistake(f"{revoked}: has expired on 2021-01-01", ", so no client of CN=", " would get in; renew it")
        old = revoked.read_bytes()
        self.assertEqual(self.check(verify_client=False).returncode, 0)
        authority.list_revoked(revoked)
        revoked.write_bytes(old + revoked.read_bytes())  # one that is good is enough
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"warning {revoked}: has expired on 2021-01-01", done.stdout)
        authority.list_revoked(revoked, "-crl_lastupdate", "20990101000000Z", "-crl_nextupdate", "20990201000000Z")
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"warning {revoked}: is not valid before 2099-01-01 00:00:00 UTC, and no client of CN=", done.stdout)
        # Another key of the same name.
        subject = authority.openssl("x509", "-in", self.pki / "ca-cert.pem", "-noout", "-subject", "-nameopt", "compat")
        subject = subject.split("=", 1)[1].strip()
        other = tls.Authority.of_its_own(self.folder / "other", "basicConstraints=critical,CA:TRUE", subject=subject)
        other.list_revoked(revoked)
        self.assert_mistake(f"{revoked}: is not signed by CN=", " of ca-cert.pem, so no client of CN=", " would get in; renew it")

    def test_a_list_of_changes_alone(self):
        """OpenSSL would take it for all that its authority revokes."""
        authority = tls.Authority.of_its_own(self.folder / "own", "basicConstraints=critical,CA:TRUE")
        shutil.copy(authority.folder / "ca-cert.pem", self.pki)
        authority.config.write_text(authority.config.read_text().replace("default_crl_days", "crl_extensions = list\ndefault_crl_days") +
                                    "[list]\n2.5.29.20 = ASN1:INTEGER:2\n2.5.29.27 = critical, ASN1:INTEGER:1\n")
        authority.list_revoked(self.pki / "ca-crl.pem")
        self.assert_mistake(f"{self.pki}/ca-crl.pem: the list of CN=own CA has only what is new", "wanted a whole one")

    def test_a_list_of_revoked_that_revokes_something_else_is_a_warning(self):
        revoked = self.pki / "ca-crl.pem"
        tls.Authority.of_its_own(self.folder / "other", "basicConstraints=critical,CA:TRUE").list_revoked(revoked)
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"warning {revoked}: the list of CN=own CA is of no authority in ca-cert.pem", done.stdout)
        made = self.folder / "made"
        tls.make(made, "--server", "localhost")
        tls.Authority(made).revoke(made / "server" / "server-cert.pem", made / "server" / "ca-crl.pem")
        self.assertIn("revokes the server's own certificate", self.check(certificates=made / "server").stdout)

    def test_an_authority_that_cannot_be_one(self):
        weak = ("-newkey", "rsa:1024", "-nodes")
        for name, extensions, key, text in (
                ("leaf", ("basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth"), tls.NEW_KEY,
                 "CN=own CA is no certificate of an authority"),
                ("weak", ("basicConstraints=critical,CA:TRUE",), weak, "CN=own CA has a key of 1024 bits, which is too weak"),
                ("weak-own", ("basicConstraints=critical,CA:FALSE",), weak, "CN=own CA has a key of 1024 bits, which is too weak")):
            with self.subTest(name):
                tls.Authority.of_its_own(self.folder / name, *extensions, key=key)
                shutil.copy(self.folder / name / "ca-cert.pem", self.pki)
                self.assert_mistake(f"{self.pki}/ca-cert.pem: {text}")

    def test_a_weak_key_beside_a_good_one_is_a_warning(self):
        weak = ("-newkey", "rsa:1024", "-nodes")
        trusted = self.pki / "ca-cert.pem"
        good = trusted.read_bytes()
        tls.Authority.of_its_own(self.folder / "own", "basicConstraints=critical,CA:FALSE", subject="/CN=client")
        own = (self.folder / "own" / "ca-cert.pem").read_bytes()
        for name, is_ca in (("authority", "TRUE"), ("client", "FALSE")):
            tls.Authority.of_its_own(self.folder / name, f"basicConstraints=critical,CA:{is_ca}", key=weak, subject=f"/CN=weak {name}")
            for other in (good, own):
                trusted.write_bytes((self.folder / name / "ca-cert.pem").read_bytes() + other)
                done = self.check()
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn(f"warning {trusted}: CN=weak {name} has a key of 1024 bits, which is too weak for OpenSSL's policy here, "
                              "and lets in no client; make a new one", done.stdout)

    def test_an_authority_that_is_none_lets_in_only_itself(self):
        for name, extensions in (("leaf", ("basicConstraints=critical,CA:FALSE",)), ("unnamed", ("subjectKeyIdentifier=hash",)),
                                 ("usage", ("basicConstraints=critical,CA:TRUE", "keyUsage=digitalSignature"))):
            with self.subTest(name):
                tls.Authority.of_its_own(self.folder / name, *extensions)
                shutil.copy(self.folder / name / "ca-cert.pem", self.pki)
                done = self.check()
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn(f"warning {self.pki}/ca-cert.pem: CN=own CA is no certificate of an authority (it lacks CA:TRUE in "
                              "basicConstraints), and lets in only who has this certificate itself", done.stdout)

    def test_keys_that_others_can_read_are_a_warning(self):
        for file in (self.pki / "server-key.pem", self.keys):
            file.chmod(0o644)
            done = self.check()
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(f"warning {file}: everybody on this machine can read the key", done.stdout)
            file.chmod(0o640)
            self.assertNotIn("warning", self.check().stdout)

    def test_files_that_others_can_write_are_a_warning(self):
        for file in (self.keys, self.pki / "server-cert.pem", self.pki / "ca-cert.pem"):
            mode = file.stat().st_mode
            file.chmod(mode | 0o002)
            self.assertIn(f"warning {file}: everybody on this machine can write it; write: chmod o-w {file}", self.check().stdout)
            file.chmod(mode)
        self.assertNotIn("warning", self.check().stdout)

    def test_all_mistakes_of_the_file_of_keys_are_told(self):
        key = "ab" * 32
        lines = ["alice", f"bob:{key}a", "carol:", f"alice:{key[:-1]}x", f"dave:{key}", f"#64617665:{key}", ":abcd", f"erin:{'ab' * 300}"]
        for end in ("\n", "\r\n"):
            self.keys.write_bytes((b"\xef\xbb\xbf" + end.join(lines).encode()))  # the last one has no end
            told = self.assert_mistake(*(f"{self.keys}:{place}: the " for place in (
                "1:1", "1:1", "2:5", "3:7", "4:70", "6:1", "7:1", "8:6")))
            self.assertIn("the line begins with a byte order mark", told)
            self.assertIn('6:1: the user "dave" has a key already, in line 5; take one out', told)
            self.assertEqual(told.count(f"{self.keys}:"), 8, told)
            self.assertNotIn(key[:10], told)

    def test_lines_of_the_file_of_keys(self):
        key = "ab" * 32
        for text, place, what in (
                ("alice\n", "1:1", "has no colon"), (f"# a comment\n\n:{key}\n", "3:1", "has no user name"),
                ("alice:\n", "1:7", "has no key"), (f"alice:{key[:10]}x{key}\n", "1:17", "something else than hexadecimal digits"),
                (f"alice:{key}a\n", "1:7", "odd number of digits"), (f"alice:{key}\nbob:{key}\nalice:{key}\n", "3:1", "has a key already"),
                (f"{'a' * 300}:{key}\n", "1:1", "more than 255 bytes"), (f"alice:{'ab' * 300}\n", "1:7", "more than 256 bytes"),
                (f"#ff:{key}\n", "1:1", "not UTF-8")):
            self.keys.write_text(text)
            out = self.assert_mistake(f"{self.keys}:{place}: ", what)
            self.assertNotIn(key[:10], out)
        for text in ("# nobody\n", "", "\r\n\r\n"):
            self.keys.write_text(text)
            self.assert_mistake(f'key "psk": {self.keys}: has no user')
        self.keys.write_text(f"# a comment: with a colon\r\n#616c696365:{key}\r\nbob:{key.upper()}")
        self.assertEqual(self.check().returncode, 0)

    def test_keys_of_the_config(self):
        self.assert_mistake('key "mode": no mode "requires"; did you mean "require"?', mode="requires")
        self.assert_mistake('key "mode": missing in tls', mode=None)
        self.assert_mistake('key "tls": has nothing to show', certificates=None, psk=None)
        self.assert_mistake('key "minimum_version": no version "1.1"', minimum_version="1.1")
        self.assert_mistake('key "ciphers": ', "no cipher match", ciphers="NONSENSE")
        done = self.check(ciphers="TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA265:HIGH:!NONE:@SECLEVEL=2")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn('warning ciphers: "ECDHE-ECDSA-AES128-GCM-SHA265" names no suite that OpenSSL has here', done.stdout)
        self.assertEqual(done.stdout.count("names no suite"), 1, done.stdout)
        warning = "has no suite that the keys of psk can go with"
        self.assertIn(f'warning ciphers = "TLS_AES_256_GCM_SHA384" {warning}', self.check(ciphers="TLS_AES_256_GCM_SHA384").stdout)
        for fits in ({"ciphers": "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"},
                     {"ciphers": "TLS_AES_256_GCM_SHA384", "psk": None}):
            done = self.check(**fits)
            self.assertEqual(done.returncode, 0)
            self.assertNotIn(warning, done.stdout)
        only_old = "has no suite of TLS 1.3, which nobody can use then"
        for ciphers, told in (("HIGH", [only_old]), ("ECDHE+AESGCM", [only_old, warning]),
                              ("PSK", [only_old, "has no suite that certificates can go with"]),
                              ("TLS_AES_128_GCM_SHA256:PSK", [])):
            done = self.check(ciphers=ciphers)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual([line for line in done.stdout.splitlines() if "warning ciphers" in line and not any(
                text in line for text in told)], [], ciphers)
            for text in told:
                self.assertIn(f'warning ciphers = "{ciphers}" {text}', done.stdout)
        for ciphers, own in (("aNULL", {}), ("PSK", {"psk": None}), ("ECDHE+AESGCM", {"certificates": None})):
            self.assert_mistake(f'key "ciphers": "{ciphers}" lets nobody in', ciphers=ciphers, **own)
        for suites, told in (("eNULL", "does not encrypt; add !eNULL"), ("HIGH", "lets anybody in; add !aNULL")):
            self.assert_mistake('key "ciphers": the suite ', told, ciphers=f"TLS_AES_128_GCM_SHA256:{suites}:@SECLEVEL=0")
        self.assertEqual(self.check(ciphers="TLS_AES_128_GCM_SHA256:HIGH:!aNULL:@SECLEVEL=0").returncode, 0)
        for words in ("@SECLEVEL=1", "!aNULL"):  # without a suite of TLS 1.2
            done = self.check(ciphers=f"TLS_AES_128_GCM_SHA256:{words}")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("warning", done.stdout)
        self.assert_mistake('key "ciphers": "@NONSENSE": invalid command', ciphers="TLS_AES_128_GCM_SHA256:@NONSENSE")
        # The server's key is one for ECDSA.
        self.assert_mistake('"ECDHE-RSA-AES128-GCM-SHA256" lets nobody in', ciphers="ECDHE-RSA-AES128-GCM-SHA256", psk=None)
        unfit = "TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256"
        self.assertIn("has no suite of TLS 1.2 that the server's key, which is of EC, can go with", self.check(ciphers=unfit).stdout)
        self.assert_mistake('key "verify_client": is about clients\' certificates', certificates=None, verify_client=True)
        self.assert_mistake('key "certificate": unknown in tls; did you mean "certificates"?', certificate="x")

    def as_client(self, who, exports, **own):
        """What `ashlar check --as` says of each export."""
        self.check(exports, **own)
        done = run(PROGRAM, "check", self.file, "--as", who, ok=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return [line for line in done.stdout.splitlines() if line.startswith('"')]

    def test_what_a_client_sees_depends_on_what_it_shows(self):
        plain, sealed = config.memory_export("1M", "a"), config.memory_export("1M", "b", tls="require")
        for_alice = config.memory_export("1M", "c", allow=[{"psk": "alice"}])
        a, b, c = self.as_client("address=10.0.0.7", [plain, sealed, for_alice], mode="allow")
        self.assertRegex(a, "read-write *there is no allow$")
        self.assertRegex(b, "refused *needs TLS, and so a client that has a key or a certificate")
        self.assertRegex(c, "refused *no rule of allow")
        self.assertRegex(self.as_client("address=10.0.0.7", [plain])[0], "refused *needs TLS")
        self.assertRegex(self.as_client("address=10.0.0.7", [plain], verify_client=False)[0],
                         "read-write *there is no allow; by TLS alone$")
        self.assertRegex(self.as_client("psk=alice", [for_alice])[0], "read-write *{ psk = \"alice\" } in line [0-9]+; by TLS alone$")
        self.assertRegex(self.as_client("psk=bob", [plain])[0], f"refused *{self.keys} has no key of \"bob\"")
        self.assertRegex(self.as_client("dn=CN=host1", [plain], certificates=None)[0], "refused *the server asks for no certificate")
        self.assertRegex(self.as_client("psk=alice", [plain], psk=None)[0], "refused *the server has no pre-shared keys")

    def test_a_rule_for_a_user_who_has_no_key_is_a_warning(self):
        done = self.check([config.memory_export("1M", allow=[{"psk": "alice"}, {"psk": "bob"}])])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, f'warning the rule {{ psk = "bob" }} in line [0-9]+ fits nobody now: {self.keys} has no key of "bob"')
        self.assertNotIn('psk = "alice" } in line', done.stdout)
        without = self.assert_mistake("needs pre-shared keys", exports=[config.memory_export("1M", allow=[{"psk": "bob"}])], psk=None)
        self.assertNotIn("fits nobody now", without)  # it has been told why
        self.assertEqual(self.check([config.memory_export("1M", allow=[{"psk": "alice"}, {"psk": "bob"}])]).returncode, 0)
        server = self.serve_words([self.file, "--listen", f"unix:{self.folder}/a.sock"])
        told = re.compile('warning the rule { psk = "bob" } in line [0-9]+ fits nobody now')
        self.wait_until("the log tells it", lambda: told.search(server.log()))
        self.assertNotIn('psk = "alice" } in line', server.log())

    def test_an_export_that_wants_more_than_the_server_has(self):
        exports = [config.memory_export("1M", tls="require")]
        self.assert_mistake('key "tls": the server has no TLS', exports=exports, mode="off")
        self.assert_mistake('key "tls": "allow" is not known here', exports=[config.memory_export("1M", tls="allow")])


class Certs(Case):
    def setUp(self):
        super().setUp()
        self.made = self.folder / "pki"

    def refused(self, *words):
        done = run(PROGRAM, "certs", *words, ok=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stdout

    def test_files_and_their_modes(self):
        os.umask(0o022)
        tls.make(self.made, "--server", "localhost,127.0.0.1", "--server", "::1", "--client", "a", "--client", "b", "--psk", "u")
        found = {str(file.relative_to(self.made)): stat.S_IMODE(file.stat().st_mode) for file in self.made.rglob("*") if file.is_file()}
        wanted = {"ca-cert.pem": 0o644, "ca-key.pem": 0o600, "keys.psk": 0o600, "clients/u/keys.psk": 0o600}
        for folder, kind in (("server", "server"), ("clients/a", "client"), ("clients/b", "client")):
            wanted |= {f"{folder}/ca-cert.pem": 0o644, f"{folder}/{kind}-cert.pem": 0o644, f"{folder}/{kind}-key.pem": 0o600}
        self.assertEqual(found, wanted)
        shown = run("openssl", "x509", "-in", self.made / "server" / "server-cert.pem", "-noout", "-text")
        for text in ("DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1", "TLS Web Server Authentication"):
            self.assertIn(text, shown)
        run("openssl", "verify", "-purpose", "sslclient", "-CAfile", self.made / "ca-cert.pem",
            self.made / "clients" / "a" / "client-cert.pem")

    def test_a_second_run_adds_and_renews_and_keeps(self):
        tls.make(self.made, "--server", "localhost", "--client", "a", "--psk", "u")
        before = {file: file.read_bytes() for file in self.made.rglob("*") if file.is_file()}
        tls.make(self.made, "--client", "b", "--psk", "u", "--psk", "v")
        for file, text in before.items():
            if file.name != "keys.psk" or file.parent != self.made:
                self.assertEqual(file.read_bytes(), text, file)
        self.assertTrue((self.made / "keys.psk").read_bytes().startswith(before[self.made / "keys.psk"]))
        self.assertEqual([line.split(":")[0] for line in (self.made / "keys.psk").read_text().split()], ["u", "v"])
        tls.make(self.made, "--server", "localhost", "--client", "a")
        for file in ("server/server-cert.pem", "server/server-key.pem", "clients/a/client-cert.pem", "clients/a/client-key.pem"):
            self.assertNotEqual((self.made / file).read_bytes(), before[self.made / file], file)
        for file in ("ca-cert.pem", "ca-key.pem"):
            self.assertEqual((self.made / file).read_bytes(), before[self.made / file], file)

    def test_who_has_a_key_gets_it_again_where_its_folder_is_gone(self):
        tls.make(self.made, "--server", "localhost", "--psk", "u")
        file, own = self.made / "keys.psk", self.made / "clients" / "u" / "keys.psk"
        key = own.read_text()
        for text in (key, f"# of psktool\n#75:{key.split(':')[1]}"):  # u, in hexadecimal digits
            file.write_text(text)
            shutil.rmtree(self.made / "clients")
            self.assertIn("u has a key already", tls.make(self.made, "--psk", "u"))
            self.assertEqual((own.read_text(), file.read_text()), (key, text))

    def test_a_file_of_keys_with_a_mistake_is_refused_as_the_server_refuses_it(self):
        tls.make(self.made, "--server", "localhost", "--psk", "u")
        for text in ("u\n", "u:xy\n"):
            (self.made / "keys.psk").write_text(text)
            self.assertIn(f"{self.made / 'keys.psk'}:1:", self.refused(self.made, "--psk", "v"))
            self.assertEqual((self.made / "keys.psk").read_text(), text)
        (self.made / "keys.psk").write_text("# nobody yet\n")
        tls.make(self.made, "--psk", "v")
        self.assertRegex((self.made / "keys.psk").read_text(), "^# nobody yet\nv:[0-9a-f]{64}\n$")

    def test_a_ca_that_ends_before_what_it_signs_is_told(self):
        self.made.mkdir()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=mine",
            "-keyout", self.made / "ca-key.pem", "-out", self.made / "ca-cert.pem")
        self.assertRegex(tls.make(self.made, "--server", "localhost"), "^The CA ends on .*, and what it signs with it\n")
        self.assertNotIn("The CA ends", tls.make(self.made, "--server", "localhost", "--days", "10"))

    def test_a_ca_without_its_key_is_refused(self):
        tls.make(self.made, "--server", "localhost")
        for gone in ("ca-key.pem", "ca-cert.pem"):
            kept = (self.made / gone).read_bytes()
            (self.made / gone).unlink()
            before = (self.made / "server" / "server-cert.pem").read_bytes()
            self.assertIn(str(self.made / gone), self.refused(self.made, "--server", "localhost"))
            self.assertFalse((self.made / gone).exists())
            self.assertEqual((self.made / "server" / "server-cert.pem").read_bytes(), before)
            (self.made / gone).write_bytes(kept)

    def test_what_is_wrong_on_the_command_line(self):
        self.assertIn("no server; add --server HOST", self.refused(self.made))
        for host in ("a b", "a,,b", "a,", "-x", "a;b", "x" * 300, "x" * 64, "a..b", "1.2.3", "192.0.2.300", "192.0.2.7.1"):
            self.assertIn("is neither a host's name nor an address", self.refused(self.made, f"--server={host}"))
        for name in ("../x", "a/b", ".hidden", "a:b", "x" * 65):
            for option in ("--client", "--psk"):
                self.assertIn("is no name here", self.refused(self.made, "--server", "localhost", f"{option}={name}"))
        for days in ("0", "36501", "99999999999", "-1", "x", "1.5"):
            self.assertIn(f'--days: "{days}" is no whole number from 1 to 36500',
                          self.refused(self.made, "--server", "localhost", f"--days={days}"))
        self.assertIn('did you mean: ashlar certs', self.refused(self.made, "--sever", "localhost"))
        self.assertFalse(self.made.exists())

    def test_the_commands_it_prints_work(self):
        out = tls.make(self.made, "--server", "127.0.0.1", "--client", "a", "--psk", "u")
        self.try_commands(out)

    def test_those_of_a_second_run_name_the_server_and_odd_folders(self):
        self.made = self.folder / 'a folder, "b" \\c'
        tls.make(self.made, "--server", "127.0.0.1,localhost")
        out = tls.make(self.made, "--client", "late@home", "--psk", "u@home")
        self.assertIn(f"with a copy of {self.made}/clients/late@home there", out)
        self.try_commands(out)

    def try_commands(self, out):
        lines = [line.strip() for line in out.split("\n")]
        self.assertIn('listen = ["tcp::10809"]', lines)
        own = next(line for line in lines if line.startswith("tls = "))
        disk = self.sparse_file("disk.img", SIZE)
        file = self.write("a.toml", f'[server]\nlisten = ["tcp:127.0.0.1:0"]\n{own}\n[[export]]\nname = "disk"\n'
                                    f'plugin = {{ type = "file", path = "{disk}" }}\n')
        server = self.serve_words([file])
        port = server.endpoint("tcp")[1]
        tried = 0
        for line in lines:
            if line.split(" ")[0] in ("nbdinfo", "nbdcopy", "qemu-img"):
                line = line.replace("nbds://127.0.0.1/", f"nbds://127.0.0.1:{port}/").replace("@127.0.0.1/", f"@127.0.0.1:{port}/")
                run("sh", "-c", f"cd {self.folder} && " + line.replace("10809", str(port)).replace(" disk.img", " out.img"))
                tried += 1
        self.assertEqual(tried, 6)


class Between(TlsCase):
    """An authority lies between the server and the one that clients trust."""

    def setUp(self):
        super().setUp()
        self.made = self.folder / "pki"
        tls.make(self.made, "--server", "localhost", "--client", "a")
        self.files = self.folder / "between"
        self.between = tls.Authority(self.made).between(self.files)

    def assert_client_gets_in(self, **how):
        server = self.secured("require", certificates=self.files, **how)
        client = self.greeted(server)
        client.secure(tls.context(self.made / "clients" / "a", authority=self.made / "ca-cert.pem"))
        self.assert_reads(client)

    def test_it_is_shown_from_the_servers_own_file(self):
        with open(self.files / "server-cert.pem", "ab") as own:
            own.write(self.between.read_bytes())
        self.assert_client_gets_in(more={"verify_client": False})

    def test_it_is_shown_from_the_file_of_authorities(self):
        (self.files / "ca-cert.pem").write_bytes(self.between.read_bytes() + (self.made / "ca-cert.pem").read_bytes())
        self.assert_client_gets_in()


class Renewal(TlsCase):
    """New files are taken up while the server runs."""

    def setUp(self):
        super().setUp()
        self.made = self.folder / "pki"
        tls.make(self.made, "--server", "localhost", "--client", "a", "--psk", "u")
        self.server = self.secured("require", certificates=self.made / "server", more={"psk": self.made / "keys.psk"})

    def connect(self, client="a"):
        found = self.greeted(self.server)
        found.secure(tls.context(self.made / "clients" / client, authority=self.made / "ca-cert.pem"))
        return found

    def servers_certificate(self):
        client = self.connect()
        found = client.socket.getpeercert(binary_form=True)
        client.close()
        return found

    def wait_until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), end, f"not so: {what}: {self.server.log()[-2000:]}")
            time.sleep(0.1)

    def gets_in(self, client="a"):
        try:
            found = self.connect(client)
            self.assert_reads(found)
            found.close()
            return True
        except (tls.ssl.SSLError, wire.Closed, ConnectionError):
            return False

    def test_a_new_certificate_is_taken_up_and_running_connections_go_on(self):
        before = self.servers_certificate()
        running = self.connect()
        self.assert_reads(running)
        tls.make(self.made, "--server", "localhost")
        self.wait_until("the new certificate is shown", lambda: self.servers_certificate() != before)
        self.assertEqual(len(running.ask(wire.CMD_READ, 0, 4096)), 4096)

    def other_folder(self):
        """What is beside the config may be opened anyway, so this is elsewhere."""
        holder = tempfile.TemporaryDirectory(prefix="ashlar-")
        self.addCleanup(holder.cleanup)
        return pathlib.Path(holder.name)

    def assert_renewed(self, renew, certificates, folder):
        """`certificates` are taken up after `renew(new)`, which puts those in the folder `new`, in `folder`, in their place."""
        self.server = self.secured("require", certificates=certificates)
        before = self.servers_certificate()
        tls.make(self.made, "--server", "localhost")
        renew(pathlib.Path(shutil.copytree(self.made / "server", folder / "new")))
        self.wait_until("the new certificate is shown", lambda: self.servers_certificate() != before)

    def test_a_folder_that_takes_the_place_of_the_one_before(self):
        folder = self.other_folder()
        shutil.copytree(self.made / "server", folder / "own")

        def renew(new):
            (folder / "own").rename(folder / "old")
            new.rename(folder / "own")
        self.assert_renewed(renew, folder / "own", folder)

    def test_a_link_to_a_folder_that_is_led_elsewhere(self):
        folder, kept = self.other_folder(), self.other_folder()
        shutil.copytree(self.made / "server", kept / "old")
        (folder / "own").symlink_to(kept / "old")

        def renew(new):
            (folder / "next").symlink_to(new)
            (folder / "next").rename(folder / "own")
        self.assert_renewed(renew, folder / "own", kept)

    def test_links_to_files_that_are_led_elsewhere(self):
        folder, archive = self.other_folder(), self.other_folder()
        shutil.copytree(self.made / "server", archive / "1", dirs_exist_ok=True)
        for file in (archive / "1").iterdir():
            file.rename(archive / f"1-{file.name}")
        (folder / "own").mkdir()
        for name in CERTIFICATES:
            (folder / "own" / name).symlink_to(archive / f"1-{name}")

        def renew(new):
            for name in CERTIFICATES:
                (new / name).rename(archive / f"2-{name}")
                (folder / "next").symlink_to(archive / f"2-{name}")
                (folder / "next").rename(folder / "own" / name)
        self.assert_renewed(renew, folder / "own", self.other_folder())

    if not SANITIZED:  # a server is in no sandbox then
        def test_what_the_sandbox_keeps_from_being_read_is_told_as_such(self):
            folder, other = self.other_folder(), self.other_folder()
            shutil.copytree(self.made / "server", folder / "own")
            shutil.copytree(self.made / "server", other / "own")
            self.server = self.secured("require", certificates=folder / "own")
            if "no Landlock" in self.server.log():
                self.skipTest("needs Landlock")
            (folder / "own").rename(folder / "old")
            (folder / "own").symlink_to(other / "own")
            self.assert_logged(self.server, f"server-cert.pem: Permission denied; it leads to {other}/own/server-cert.pem, "
                                            "which is outside of the sandbox .* "
                                            "name its folder in sandbox")

    def test_a_pair_that_does_not_fit_keeps_the_old_one(self):
        before = self.servers_certificate()
        tls.make(self.folder / "others", "--server", "localhost")
        shutil.copy(self.folder / "others" / "server" / "server-key.pem", self.made / "server")
        self.wait_until("the log tells of it", lambda: "does not fit the key" in self.server.log())
        self.assertEqual(self.servers_certificate(), before)
        tls.make(self.made, "--server", "localhost")
        self.wait_until("the new certificate is shown", lambda: self.servers_certificate() != before)

    def test_who_is_revoked_does_not_get_in_any_more(self):
        running = self.connect()
        self.assert_reads(running)
        tls.Authority(self.made).revoke(self.made / "clients" / "a" / "client-cert.pem", self.made / "server" / "ca-crl.pem")
        self.wait_until("it is kept out", lambda: not self.gets_in())
        # Not with a session of before either.
        self.assertEqual(len(running.ask(wire.CMD_READ, 0, 4096)), 4096)
        again = self.greeted(self.server)
        again.option(wire.OPT_STARTTLS)
        context = running.socket.context
        with self.assertRaises((tls.ssl.SSLError, wire.Closed, ConnectionError)):
            again.socket = context.wrap_socket(again.socket, session=running.socket.session)
            again.option(wire.OPT_LIST)

    def test_new_users(self):
        tls.make(self.made, "--psk", "v")
        uri = f"nbds+unix://v@/disk?socket={self.server.socket}&tls-psk-file={self.made}/clients/v/keys.psk"
        self.wait_until("the new user gets in", lambda: run("nbdinfo", "--size", uri, ok=False).returncode == 0)


if __name__ == "__main__":
    main(needs=["openssl", "nbdinfo", "nbdcopy", "qemu-img"], at_once=True)
