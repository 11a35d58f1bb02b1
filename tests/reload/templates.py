"""What a reload does to templates, and to the exports that they stand for."""

from reloading import MIB, READ, WRITE, Reloading, config, main, wire


class Serving(Reloading):
    own = {}

    def prepare(self):
        for folder in ("images", "others"):
            (self.folder / folder).mkdir()
            for name in ("a", "b"):
                (self.folder / folder / name).write_bytes(f"{folder}/{name}".encode().ljust(512, b"\0") + bytes(MIB - 512))

    def template(self, folder="images", name="images/*", **own):
        return config.file_export(self.folder / folder / "*", name, **{**self.own, **own})

    def exports(self):
        return [self.template()]

    def first(self, client):
        return client.ask(READ, 0, 512).rstrip(b"\0").decode()

    def answer(self, name):
        with wire.Client(self.server) as client:
            client.greet()
            return client.option(wire.OPT_GO, wire.go_data(name))[-1][0]


class Templates(Serving):
    def test_an_untouched_one_goes_on_and_one_that_is_added_is_there(self):
        old = self.client("images/a")
        said = self.reload([self.template("others", "others/*"), self.template()])
        self.assertEqual((said["added"], said["changed"], said["removed"], said["untouched"]), (["others/*"], [], [], 1))
        self.assertEqual(self.first(old), "images/a")
        self.assertEqual(self.first(self.client("others/b")), "others/b")
        self.assertEqual(self.names(), ["others/a", "others/b", "images/a", "images/b"])

    def test_a_changed_one_serves_new_clients_anew_and_old_ones_as_before(self):
        old = self.client("images/a")
        self.assertEqual(self.reload([self.template("others")])["changed"], ["images/*"])
        new = self.client("images/a")
        self.assertEqual((self.first(old), self.first(new)), ("images/a", "others/a"))
        self.wait_until("both are counted", lambda: len(self.export("images/a")["clients"]) == 2)

    def test_a_client_in_the_handshake_gets_the_new_one(self):
        with wire.Client(self.server) as client:
            client.greet()
            self.assertEqual(client.option(wire.OPT_INFO, wire.go_data("images/a"))[-1][0], wire.REP_ACK)
            self.reload([self.template("others")])
            client.enter("images/a")
            self.assertEqual(self.first(client), "others/a")
            self.assertEqual(self.reload([self.template("others", description="words")])["changed"], ["images/*"])

    def test_a_removed_one_keeps_its_clients_and_drained_ones_end(self):
        old = self.client("images/a")
        self.assertEqual(self.reload([config.memory_export("1M", "keep")])["removed"], ["images/*"])
        self.assertEqual(self.answer("images/a"), wire.REP_ERR_UNKNOWN)
        self.assertEqual(self.first(old), "images/a")
        self.assertTrue(self.export("images/a")["removed"])
        self.reload([self.template()])
        leaves = self.client("images/b")
        self.reload([self.template("others")], "--drain")
        self.assertTrue(leaves.is_closed())
        self.assertTrue(old.is_closed())  # which had gone before

    def test_a_plain_export_takes_a_name_and_its_counts(self):
        old = self.client("images/a")
        self.assertEqual(self.first(old), "images/a")
        self.reload([self.template(), config.file_export(self.folder / "others" / "a", "images/a")])
        self.assertEqual(self.first(self.client("images/a")), "others/a")
        self.assertEqual(self.first(old), "images/a")
        self.wait_until("all are counted once", lambda: [one["ops"]["read"] for one in self.status()["exports"]] == [0, 3])
        self.assertEqual(self.figures()['ashlar_requests_total{export="images/a",op="read"}'], 3)

    def test_what_a_template_has_to_have_is_a_mistake_where_it_lacks(self):
        told = self.refused([config.file_export(self.folder / "images" / "a", "images/*")])
        self.assertIn("no parameter of its layers has the *", told)
        told = self.refused([self.template("nowhere")])
        self.assertRegex(told, f"""{self.file}:\\d+:\\d+: key "path": .*: cannot list '{self.folder}/nowhere'""")


class Exclusive(Serving):
    own = {"exclusive": True}

    def test_a_name_has_one_writer_across_a_change(self):
        writer = self.client("images/a")
        self.reload([self.template("others")])
        self.assertEqual(self.answer("images/a"), wire.REP_ERR_POLICY)
        writer.close()
        self.assertEqual(self.client("images/a").ask(WRITE, 0, 4, data=b"word"), 0)

    def test_a_name_has_one_writer_whoever_stands_for_it(self):
        writer = self.client("images/a")
        plain = config.file_export(self.folder / "images" / "a", "images/a", exclusive=True)
        for exports in ([plain], [self.template()]):
            self.reload([config.memory_export("1M", "keep")])
            self.reload(exports)
            self.assertEqual(self.answer("images/a"), wire.REP_ERR_POLICY)
        writer.close()
        self.wait_until("one can come", lambda: self.answer("images/a") == wire.REP_ACK)


if __name__ == "__main__":
    main(at_once=True)
