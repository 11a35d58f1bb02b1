"""Who may do what, by TLS: rules about names of certificates and of keys."""

import itertools

from clients import uri
from frame import Case, MIB, config, main, run, tls, wire


class Access(Case):
    def served(self, *exports, mode="allow"):
        return self.serve(list(exports), listen=["tcp:127.0.0.1:0", f"unix:{self.folder}/s.sock"], tls=tls.settings(mode))

    def export(self, name, *rules, **own):
        return config.memory_export("1M", name, allow=list(rules), **own)

    def client(self, server, secured):
        client = wire.Client(server)
        self.addCleanup(client.close)
        client.greet()
        if secured:
            client.secure(tls.context(tls.client_folder()))
        return client

    def go(self, client, name):
        return client.option(wire.OPT_GO, wire.go_data(name))[-1][0]

    def test_who_may_open_what_is_decided_anew_when_tls_tells_who_it_is(self):
        server = self.served(self.export("host1", {"dn": "CN=host1,*"}), self.export("host2", {"dn": "CN=host2,*"}),
                             self.export("everybody", {"read_only": True}))
        client = self.client(server, False)
        self.assertEqual(self.go(client, "host1"), wire.REP_ERR_UNKNOWN)
        self.assertEqual(client.option(wire.OPT_INFO, wire.go_data(""))[-1][0], wire.REP_ACK)  # that of everybody
        client.secure(tls.context(tls.client_folder()))
        self.assertEqual([data[4:].rstrip(b"\0").decode() for kind, data in client.option(wire.OPT_LIST) if kind == wire.REP_SERVER],
                         ["host1", "everybody"])
        self.assertEqual(self.go(client, "host2"), wire.REP_ERR_UNKNOWN)
        self.assertEqual(self.go(client, ""), wire.REP_ACK)
        self.assertEqual(client.ask(wire.CMD_WRITE, 0, 512, data=bytes(512)), 0)

    def test_before_tls_an_export_that_requires_it_does_not_tell_who_may_open_it(self):
        server = self.served(self.export("mine", {"dn": "CN=host1,*"}, tls="require"),
                             self.export("theirs", {"dn": "CN=host2,*"}, tls="require"))
        plain, secured = self.client(server, False), self.client(server, True)
        for name, answer in (("mine", wire.REP_ACK), ("theirs", wire.REP_ERR_UNKNOWN), ("absent", wire.REP_ERR_UNKNOWN)):
            self.assertEqual(plain.option(wire.OPT_INFO, wire.go_data(name))[-1][0], wire.REP_ERR_TLS_REQD, name)
            self.assertEqual(secured.option(wire.OPT_INFO, wire.go_data(name))[-1][0], answer, name)

    def test_real_clients(self):
        server = self.served(self.export("host1", {"dn": "CN=host1,*"}), self.export("alice", {"psk": "alice"}),
                             self.export("bob", {"psk": "bob"}), mode="require")
        for kind, (way, own) in itertools.product(("tcp", "unix"), (("certificate", "host1"), ("key", "alice"))):
            self.assertEqual(int(run("nbdinfo", "--size", uri(server, kind, way, own))), MIB)
            for other in {"host1", "alice", "bob"} - {own}:
                self.assertNotEqual(run("nbdinfo", "--size", uri(server, kind, way, other), ok=False).returncode, 0, (way, other))
        server.stop()
        self.assertRegex(server.log(), r'\(psk alice\): refused export "bob": no rule of allow in line \d+ fits')
        self.assertRegex(server.log(), r'\(CN=host1,O=ashlar\): refused export "alice"')
        self.assertRegex(server.log(), r'\(psk alice\): opened export "alice" by { psk = "alice" } in line')


if __name__ == "__main__":
    main(needs=["nbdinfo"])
