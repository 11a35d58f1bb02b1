"""What a reload does to exports: added, changed and removed ones, and those that stay as they are."""

import os
import pathlib
import signal
import struct
import subprocess

from reloading import MIB, PROGRAM, READ, WRITE, Case, Reloading, config, main, processes, wire

KEEP = config.memory_export("1M", "keep")
UNTOUCHED = {"changed": [], "new_layers": [], "removed": [], "added": [], "server": [], "listening": [], "closed": [],
             "after_restart": []}


def read(client, length=4):
    return client.ask(READ, 0, length)


class Exports(Reloading):
    def exports(self):
        return [KEEP, config.memory_export("1M", "other")]

    def write_words(self, name="keep", words=b"kept"):
        with self.client(name) as client:
            self.assertEqual(client.ask(WRITE, 0, len(words), data=words), 0)

    def test_added_and_removed_ones_are_told_and_listed(self):
        said = self.reload([KEEP, config.memory_export("2M", "new")])
        self.assertEqual(said, {**UNTOUCHED, "ok": True, "added": ["new"], "removed": ["other"], "untouched": 1})
        self.assertEqual(self.names(), ["keep", "new"])
        self.assertEqual(read(self.client("new")), bytes(4))

    def test_a_removed_one_takes_no_new_clients_and_keeps_those_it_has(self):
        old = self.client("other")
        self.reload([KEEP])
        self.assertEqual(read(old), bytes(4))
        with wire.Client(self.server) as client:
            client.greet()
            self.assertEqual(client.option(wire.OPT_GO, wire.go_data("other"))[-1][0], wire.REP_ERR_UNKNOWN)
        told = self.export("other")
        self.assertTrue(told["removed"])
        self.assertEqual(len(told["clients"]), 1)
        self.assertIn('export "other": removed', self.ashlar("status"))
        self.assertIn('\nashlar_connections{export="other"} 1\n', self.get("/metrics")[2])
        self.wait_until("its read is counted", lambda: '\nashlar_requests_total{export="other",op="read"} 1\n' in self.get("/metrics")[2])
        self.assertEqual(self.ashlar("disconnect", "--export", "other"), "1 disconnected\n")
        self.assertTrue(old.is_closed())
        self.wait_until("it is told of no longer", lambda: [one["name"] for one in self.status()["exports"]] == ["keep"])
        self.assertNotIn('export="other"', self.get("/metrics")[2])

    def test_one_that_has_the_name_of_a_removed_one_is_told_once(self):
        old = self.client("other")
        self.reload([KEEP])
        self.reload([KEEP, config.memory_export("1M", "other")])
        self.client("other")
        figures = self.get("/metrics")[2]
        self.assertEqual(figures.count('ashlar_connections{export="other"}'), 1)
        old.close()

    def test_an_untouched_one_keeps_its_layers_wherever_it_stands_in_the_file(self):
        self.write_words()
        client = self.client("keep")
        said = self.reload([config.memory_export("1M", "before"), KEEP])
        self.assertEqual((said["added"], said["changed"], said["untouched"]), (["before"], [], 1))
        self.assertEqual(read(client), b"kept")
        self.assertEqual(read(self.client("keep")), b"kept")

    def test_a_changed_one_serves_new_clients_anew_and_old_ones_as_before(self):
        self.write_words()
        old = self.client("keep")
        said = self.reload([config.memory_export("2M", "keep"), config.memory_export("1M", "other")])
        self.assertEqual((said["changed"], said["untouched"]), (["keep"], 1))
        new = self.client("keep")
        self.assertEqual((read(old), read(new)), (b"kept", bytes(4)))
        self.assertEqual(new.ask(WRITE, MIB, 4, data=b"more"), 0)
        self.assertEqual(old.ask(READ, MIB, 4), 22)  # EINVAL: its disk ends there

    def test_other_rules_or_words_leave_the_layers_alone(self):
        self.write_words()
        for own in ({"description": "words"}, {"exclusive": True}, {"max_connections": 9}, {"multi_conn": "off"},
                    {"allow": [{"uid": os.getuid()}]}, {"allow": []}):
            said = self.reload([{**KEEP, **own}])
            self.assertEqual((said["changed"], said["new_layers"]), (["keep"], []))
        self.assertEqual(self.names(), [])
        self.reload([KEEP])
        self.assertEqual(read(self.client("keep")), b"kept")

    def test_any_other_key_makes_them_anew_and_the_answer_says_so(self):
        for own in ({"optional": True}, {"read_only": True}, {"zero_emulation": False}, {"filters": [{"type": "log"}]}):
            self.write_words()
            said = self.reload([{**KEEP, **own}])
            self.assertEqual((said["changed"], said["new_layers"]), (["keep"], ["keep"]))
            self.assertEqual(read(self.client("keep")), bytes(4))
            self.reload([KEEP])

    def refused_to_enter(self):
        """Whether one more client is."""
        with wire.Client(self.server) as one:
            one.greet()
            return one.option(wire.OPT_GO, wire.go_data("keep"))[-1][0] == wire.REP_ERR_POLICY

    def test_those_who_are_there_count_when_another_number_may_come(self):
        first = self.client("keep")
        second = self.client("keep")
        for own, full in (({"max_connections": 2}, True), ({"max_connections": 3}, False), ({"max_connections": 1}, True), ({}, False),
                          ({"exclusive": True}, True), ({"exclusive": True, "max_connections": 9}, True), ({}, False)):
            with self.subTest(own):
                self.reload([{**KEEP, **own}])
                self.assertEqual(self.refused_to_enter(), full)
        self.reload([{**KEEP, "max_connections": 1}])
        first.close()
        self.wait_until("the first has gone", lambda: len(self.export("keep")["clients"]) == 1)
        self.assertTrue(self.refused_to_enter())
        second.close()
        self.wait_until("one can come", lambda: not self.refused_to_enter())

    def test_an_exclusive_one_has_one_writer_across_a_change(self):
        only = {**KEEP, "exclusive": True}
        self.reload([only])
        writer = self.client("keep")
        self.reload([{**only, "filters": [{"type": "log"}]}])
        with wire.Client(self.server) as second:
            second.greet()
            self.assertEqual(second.option(wire.OPT_GO, wire.go_data("keep"))[-1][0], wire.REP_ERR_POLICY)
        writer.close()
        self.assertEqual(read(self.client("keep")), bytes(4))

    def test_clients_of_a_removed_one_count_when_another_takes_its_name(self):
        for own in ({"exclusive": True}, {"max_connections": 1}):
            with self.subTest(own):
                self.reload([{**KEEP, **own}])
                old = self.client("keep")
                self.reload([config.memory_export("1M", "other")])
                for size in ("1M", "2M"):
                    self.reload([config.memory_export(size, "keep", **own)])
                    self.assertTrue(self.refused_to_enter())
                old.close()
                self.wait_until("one can come", lambda: not self.refused_to_enter())

    def test_counts_go_on_when_an_export_changes(self):
        read(self.client("keep"))
        self.wait_until("it is counted", lambda: self.export("keep")["ops"]["read"] == 1)
        self.reload([config.memory_export("2M", "keep")])
        read(self.client("keep"))
        self.wait_until("both are", lambda: self.export("keep")["ops"]["read"] == 2)
        self.assertEqual(len(self.export("keep")["clients"]), 2)

    def test_what_is_removed_is_let_go_of(self):
        disk = self.sparse_file("gone.img", MIB)
        self.reload([KEEP, config.file_export(disk, "gone")])
        client = self.client("gone")
        self.assertTrue(self.has_open(disk))
        self.reload([KEEP])
        self.assertTrue(self.has_open(disk))
        client.close()
        self.wait_until("the file is closed", lambda: not self.has_open(disk))

    def has_open(self, path):
        return str(path) in processes.open_files(self.server.pid)

    def test_a_trace_has_one_writer_across_a_change(self):
        traced = {**KEEP, "filters": [{"type": "trace", "path": str(self.folder / "a.trace")}]}
        self.reload([traced])
        old = self.client("keep")
        self.assertEqual(self.reload([{**traced, "plugin": {"type": "memory", "size": "2M"}}])["changed"], ["keep"])
        self.wait_for_line("is being written by another layer")
        self.assertEqual((read(old), read(self.client("keep"))), (bytes(4), bytes(4)))

    def test_for_people_it_is_lines(self):
        self.rewrite([config.memory_export("2M", "keep"), config.memory_export("1M", "new")])
        self.assertEqual(self.ashlar("reload"),
                         'added: export "new"\nchanged: export "keep": its layers are new\nremoved: export "other"\n')
        self.assertEqual(self.ashlar("reload"), "nothing has changed\n")
        self.rewrite([config.memory_export("2M", "keep", description="words"), config.memory_export("1M", "new")])
        self.assertEqual(self.ashlar("reload"), 'changed: export "keep"\n')
        self.wait_for_line('reload: removed: export "other"')

    def test_hangup_does_it_too_and_the_log_tells(self):
        self.rewrite([KEEP])
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for_line('reload: removed: export "other"')
        self.assertEqual(self.names(), ["keep"])

    def test_a_handshake_that_began_before_goes_on_with_what_is_served_now(self):
        clients = {name: wire.Client(self.server) for name in ("keep", "other")}
        for client in clients.values():
            self.addCleanup(client.close)
            client.greet()
            client.option(wire.OPT_LIST)
        self.reload([config.memory_export("2M", "keep")])
        clients["keep"].enter("keep")
        self.assertEqual(clients["keep"].ask(WRITE, MIB, 4, data=b"more"), 0)
        self.assertEqual(clients["other"].option(wire.OPT_GO, wire.go_data("other"))[-1][0], wire.REP_ERR_UNKNOWN)

    def in_handshake(self, name):
        """A client that has asked for the export, and has not begun to use it."""
        client = wire.Client(self.server)
        self.addCleanup(client.close)
        client.greet()
        self.assertEqual(client.option(wire.OPT_STRUCTURED_REPLY)[-1][0], wire.REP_ACK)
        self.assertEqual(client.option(wire.OPT_INFO, wire.go_data(name))[-1][0], wire.REP_ACK)
        return client

    def test_in_a_handshake_a_removed_one_is_as_one_that_never_was(self):
        client, old = self.in_handshake("other"), self.in_handshake("other")
        self.reload([KEEP])
        meta = struct.pack(">I", 5) + b"other" + struct.pack(">I", 0)
        for option, data in ((wire.OPT_INFO, wire.go_data("other")), (wire.OPT_LIST_META_CONTEXT, meta),
                             (wire.OPT_SET_META_CONTEXT, meta), (wire.OPT_GO, wire.go_data("other"))):
            self.assertEqual([reply for reply, _ in client.option(option, data)], [wire.REP_ERR_UNKNOWN], option)
        old.option_head(wire.OPT_EXPORT_NAME, 5)
        old.send(b"other")
        self.assertTrue(old.is_closed())
        self.reload([KEEP, config.memory_export("2M", "other")])
        client.enter("other")
        self.assertEqual(client.ask(WRITE, MIB, 4, data=b"more"), 0)

    def test_in_a_handshake_one_that_is_for_others_now_is_not_there_and_the_log_says_why(self):
        client = self.in_handshake("other")
        self.reload([KEEP, config.memory_export("1M", "other", allow=[])])
        self.assertEqual(client.option(wire.OPT_GO, wire.go_data("other"))[-1][0], wire.REP_ERR_UNKNOWN)
        self.wait_for_line('refused export "other": allow in line')


class Destroyed(Reloading):
    def exports(self):
        self.gate = self.folder / "gate"
        hanger = {"type": os.environ["ASHLAR_HANGER_PLUGIN"], "in": "destroy", "gate": str(self.gate)}
        self.hangs = {"name": "hangs", "plugin": hanger}
        return [KEEP, self.hangs]

    def test_the_loop_waits_for_no_layer_that_is_destroyed(self):
        inside = pathlib.Path(f"{self.gate}.inside")
        self.addCleanup(self.gate.unlink, missing_ok=True)
        for _ in range(20):  # which thread is the last owner of an export is a race
            self.gate.touch()
            self.reload([KEEP])
            self.wait_until("it is being destroyed", inside.exists)
            self.assertEqual(len(self.status()["exports"]), 1)
            self.gate.unlink()
            inside.unlink()
            self.reload([KEEP, self.hangs])


class NoConfig(Case):
    def reload(self, server, control):
        return subprocess.run([PROGRAM, "reload", "--control", f"unix:{control}"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    def test_of_an_image_there_is_nothing_to_reload(self):
        disk = self.sparse_file("disk.img", MIB)
        server = self.serve_words([disk, "--listen", f"unix:{self.folder}/sock"])
        server.process.send_signal(signal.SIGHUP)
        while "reload: there is no config" not in server.log():
            self.assertTrue(server.alive())
        with wire.Client(server).go() as client:
            self.assertEqual(read(client), bytes(4))

    def test_a_config_of_a_pipe_cannot_be_read_again(self):
        text = config.toml([KEEP], listen=[f"unix:{self.folder}/sock"], control=f"unix:{self.folder}/control")
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        writer = subprocess.Popen(["sh", "-c", f'printf %s "$TEXT" > {pipe}'], env={**os.environ, "TEXT": text})
        server = self.serve_words([pipe])
        self.assertEqual(writer.wait(60), 0)
        done = self.reload(server, self.folder / "control")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot be read again", done.stderr)
        with wire.Client(server).go() as client:
            self.assertEqual(read(client), bytes(4))


if __name__ == "__main__":
    main(at_once=True)
