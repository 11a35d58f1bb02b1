"""Whom ca-cert.pem and ca-crl.pem let in when there are several authorities, or clients' own certificates."""

import datetime
import shutil

from frame import SIZE, TlsCase, main, run, tls, wire

NAMES_KEY = "authorityKeyIdentifier = keyid:always"


class Trust(TlsCase):
    def setUp(self):
        super().setUp()
        self.made = self.folder / "pki"
        tls.make(self.made, "--server", "localhost", "--client", "host1")
        self.count = 0

    def authority(self, name, subject=None):
        return tls.Authority.of_its_own(self.folder / name, "basicConstraints=critical,CA:TRUE", subject=subject or f"/CN={name}")

    def client_of(self, authority, name):
        folder = authority.issue(self.folder / name, "client", name)
        shutil.copy(self.made / "ca-cert.pem", folder)  # of the server
        return folder

    def list_of(self, authority, revoked=None, says=""):
        """A list of the authority that revokes the file `revoked`, with these lines for its extensions."""
        file = self.folder / "list.pem"
        config = authority.config
        plain = config.read_text()
        if says:
            config.write_text(plain.replace("default_crl_days", "crl_extensions = list\ndefault_crl_days") + f"[list]\n{says}\n")
        if revoked is not None:
            authority.revoke(revoked, file)
        else:
            authority.list_revoked(file)
        config.write_text(plain)
        return file.read_bytes()

    def trusting(self, *trusted, lists=()):
        """A server with these files in ca-cert.pem, and these lists in ca-crl.pem."""
        self.count += 1
        folder = self.folder / f"server{self.count}"
        shutil.copytree(self.made / "server", folder)
        (folder / "ca-cert.pem").write_bytes(b"".join(one.read_bytes() for one in trusted))
        if lists:
            (folder / "ca-crl.pem").write_bytes(b"".join(lists))
        return self.secured(certificates=folder)

    def gets_in(self, server, client):
        """By GnuTLS and by OpenSSL alike."""
        where = f"nbds+unix:///disk?socket={server.socket}&tls-certificates={client}"
        by_gnutls = run("nbdinfo", "--size", where, ok=False).stdout.strip() == str(SIZE)
        mine = self.greeted(server)
        try:
            mine.secure(tls.context(client, self.made / "ca-cert.pem"))
            by_openssl = mine.option(wire.OPT_LIST)[-1][0] == wire.REP_ACK
        except (tls.ssl.SSLError, wire.Closed, ConnectionError):
            by_openssl = False
        mine.close()
        self.assertEqual(by_gnutls, by_openssl, server.log()[-1000:])
        return by_gnutls

    def assert_let_in(self, server, *clients):
        for client in clients:
            self.assertTrue(self.gets_in(server, client), f"{client.name}: {server.log()[-1000:]}")

    def assert_kept_out(self, server, *clients):
        for client in clients:
            self.assertFalse(self.gets_in(server, client), f"{client.name}: {server.log()[-1000:]}")

    def test_a_clients_own_certificate_that_an_authority_has_signed(self):
        """That one is not in ca-cert.pem, and its other clients are not let in."""
        above = self.authority("above")
        own, other = self.client_of(above, "own"), self.client_of(above, "other")
        server = self.trusting(own / "client-cert.pem")
        self.assert_let_in(server, own)
        self.assert_kept_out(server, other, self.made / "clients" / "host1")

    def test_the_list_of_who_has_signed_a_clients_own_certificate(self):
        """It holds for that certificate only if it revokes it."""
        above = self.authority("above")
        own = self.client_of(above, "own")
        ours = self.made / "clients" / "host1"
        both = (own / "client-cert.pem", self.made / "ca-cert.pem")
        for says in ("", NAMES_KEY):
            server = self.trusting(*both, lists=[self.list_of(above, says=says)])
            self.assert_let_in(server, own, ours)
        above.revoke(own / "client-cert.pem", self.folder / "unused.pem")
        for says in ("", NAMES_KEY):
            server = self.trusting(*both, lists=[self.list_of(above, says=says)])
            self.assert_logged(server, "ca-cert.pem: CN=own,O=ashlar is revoked by ca-crl.pem, and not trusted")
            self.assert_let_in(server, ours)
            self.assert_kept_out(server, own)

    def test_a_list_that_revokes_all_that_is_trusted_is_taken_up(self):
        """Else those before would go on to count, and let in who was revoked."""
        above = self.authority("above")
        own = self.client_of(above, "own")
        server = self.trusting(own / "client-cert.pem")
        self.assert_let_in(server, own)
        folder = self.folder / f"server{self.count}"
        (folder / "ca-crl.pem").write_bytes(self.list_of(above, own / "client-cert.pem"))
        self.assert_logged(server, "is revoked by ca-crl.pem, and not trusted")
        self.assert_kept_out(server, own)

    def test_the_list_of_an_authority_above_those_of_the_file(self):
        root = tls.Authority(self.made)
        below = tls.Authority.below(root, self.folder / "below")
        client = self.client_of(below, "client")
        for says in ("", NAMES_KEY):
            self.assert_let_in(self.trusting(below.folder / "ca-cert.pem", lists=[self.list_of(root, says=says)]), client)
        root.revoke(below.folder / "ca-cert.pem", self.folder / "unused.pem")
        for says in ("", NAMES_KEY):
            self.assert_kept_out(self.trusting(below.folder / "ca-cert.pem", lists=[self.list_of(root, says=says)]), client)

    def test_a_list_holds_for_the_clients_of_its_authority_alone(self):
        one, other = self.authority("one"), self.authority("other")
        revoked, good, others = self.client_of(one, "revoked"), self.client_of(one, "good"), self.client_of(other, "others")
        server = self.trusting(one.folder / "ca-cert.pem", other.folder / "ca-cert.pem",
                               lists=[self.list_of(one, revoked / "client-cert.pem")])
        self.assert_let_in(server, good, others)
        self.assert_kept_out(server, revoked)

    def test_what_is_below_an_authority_that_is_revoked(self):
        """It is not trusted without that one, also where it stands in ca-cert.pem itself."""
        root = tls.Authority(self.made)
        between = tls.Authority.below(root, self.folder / "between")
        below = tls.Authority.below(between, self.folder / "below", "low")
        client = self.client_of(below, "client")
        files = [one.folder / "ca-cert.pem" for one in (below, between, root)]
        self.assert_let_in(self.trusting(*files, lists=[self.list_of(root)]), client)
        lists = [self.list_of(root, between.folder / "ca-cert.pem")]
        for order in (files, files[::-1], files[:2]):
            server = self.trusting(*order, self.authority("other").folder / "ca-cert.pem", lists=lists)
            self.assert_logged(server, "CN=low,O=ashlar is signed by one that ca-crl.pem revokes, and not trusted")
            self.assert_kept_out(server, client)

    def test_a_list_that_names_an_older_certificate_of_its_authority(self):
        """As of one that was renewed with the key that it had."""
        authority = self.authority("one")
        revoked, good = self.client_of(authority, "revoked"), self.client_of(authority, "good")
        renewed = self.folder / "renewed.pem"
        authority.openssl("req", "-x509", "-config", authority.folder / "plain.cnf", "-key", authority.folder / "ca-key.pem",
                          "-subj", "/CN=one", "-addext", "basicConstraints=critical,CA:TRUE", "-out", renewed)
        named = self.list_of(authority, revoked / "client-cert.pem", "authorityKeyIdentifier = keyid:always, issuer:always")
        server = self.trusting(renewed, lists=[named])
        self.assert_let_in(server, good)
        self.assert_kept_out(server, revoked)

    def test_a_list_for_some_reasons(self):
        authority = self.authority("one")
        revoked, good = self.client_of(authority, "revoked"), self.client_of(authority, "good")
        says = "issuingDistributionPoint = critical, @part\n[part]\nonlysomereasons = keyCompromise"
        server = self.trusting(authority.folder / "ca-cert.pem", lists=[self.list_of(authority, revoked / "client-cert.pem", says)])
        self.assert_let_in(server, good)
        self.assert_kept_out(server, revoked)

    def test_the_list_of_a_key_before(self):
        """It may be the newer one; the authority's own holds beside it."""
        old, new = self.authority("old", "/CN=same"), self.authority("new", "/CN=same")
        good, revoked = self.client_of(new, "good"), self.client_of(new, "revoked")
        own = self.folder / "own.pem"
        new.revoke(revoked / "client-cert.pem", self.folder / "unused.pem")
        now = datetime.datetime.now(datetime.timezone.utc)
        dates = [f"{at:%Y%m%d%H%M%SZ}" for at in (now - datetime.timedelta(days=1), now + datetime.timedelta(days=1))]
        new.list_revoked(own, "-crl_lastupdate", dates[0], "-crl_nextupdate", dates[1])
        server = self.trusting(new.folder / "ca-cert.pem", lists=[self.list_of(old), own.read_bytes()])
        self.assert_let_in(server, good)
        self.assert_kept_out(server, revoked)

    def test_two_authorities_of_one_name(self):
        """As of one that goes on with a new key: whichever list OpenSSL finds first, each one's own holds."""
        old, new = self.authority("old", "/CN=same"), self.authority("new", "/CN=same")
        (new.work / "serial").write_text("2000\n")
        of_old, of_new, revoked = self.client_of(old, "of-old"), self.client_of(new, "of-new"), self.client_of(new, "revoked")
        both = (old.folder / "ca-cert.pem", new.folder / "ca-cert.pem")
        self.assert_let_in(self.trusting(*both, lists=[self.list_of(old)]), of_old, of_new, revoked)
        self.assert_let_in(self.trusting(*both, lists=[self.list_of(new)]), of_old, of_new, revoked)
        lists = [self.list_of(old), self.list_of(new, revoked / "client-cert.pem")]
        for both_lists in (lists, lists[::-1]):
            server = self.trusting(*both, lists=both_lists)
            self.assert_let_in(server, of_old, of_new)
            self.assert_kept_out(server, revoked)


if __name__ == "__main__":
    main(needs=["openssl", "nbdinfo"], at_once=True)
