"""The program as a build without OpenSSL has it."""

import os

from frame import MIB, Case, config, main, run, wire

PROGRAM = os.environ["ASHLAR"]
WITHOUT = "this program was built without TLS"


class Without(Case):
    def config_file(self, **server):
        return self.write("own.toml", config.toml([config.memory_export("1M")], listen=[f"unix:{self.folder}/own.sock"], **server))

    def test_openssl_is_not_in_it(self):
        needed = run("readelf", "--dynamic", PROGRAM)
        self.assertIn("libstdc++", needed)
        self.assertNotIn("libssl", needed)
        self.assertNotIn("libcrypto", needed)

    def test_a_config_that_wants_tls_is_a_mistake(self):
        for mode in ("allow", "require"):
            file = self.config_file(tls={"mode": mode, "certificates": self.folder})
            for command in ("check", "serve"):
                done = run(PROGRAM, command, file, ok=False)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertRegex(done.stdout, rf'own\.toml:\d+:\d+: key "tls": {WITHOUT}')

    def test_without_a_wish_for_tls_it_serves_and_offers_none(self):
        for settings in ({}, {"tls": {"mode": "off"}}):
            server = self.serve([config.memory_export("1M")], **settings)
            client = wire.Client(server)
            self.addCleanup(client.close)
            client.greet()
            self.assertIn(client.option(wire.OPT_STARTTLS)[-1][0], (wire.REP_ERR_UNSUP, wire.REP_ERR_POLICY))
            self.assertEqual(client.option(wire.OPT_GO, wire.go_data("memory"))[-1][0], wire.REP_ACK)
            self.assertEqual(client.ask(wire.CMD_READ, MIB - 512, 512), bytes(512))

    def test_help_tells_it(self):
        for words in (["--help"], ["help", "certs"]):
            said = " ".join(run(PROGRAM, *words).split())
            self.assertIn("renew (not with this program, which was built without TLS)", said)

    def test_certificates_are_made_elsewhere(self):
        done = run(PROGRAM, "certs", self.folder / "pki", "--server", "localhost", ok=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(f"certs: {WITHOUT}", done.stdout)
        self.assertEqual([path.name for path in self.folder.rglob("*.pem*")], [])
        self.assertFalse((self.folder / "pki").exists())


if __name__ == "__main__":
    main(needs=["readelf"])
