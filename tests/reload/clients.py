"""What a reload does to clients that are there: nothing, or with --drain their end, after their requests."""

import os
import struct
import threading

from reloading import MIB, READ, WRITE, Reloading, config, main, wire

KEEP = config.memory_export("1M", "keep")
ESHUTDOWN = 108


class Clients(Reloading):
    def exports(self):
        self.gate = self.folder / "gate"  # a read does not return while it is there
        hanger = {"type": os.environ["ASHLAR_HANGER_PLUGIN"], "in": "read", "gate": str(self.gate)}
        return [KEEP, {"name": "slow", "plugin": hanger}, config.memory_export("1M", "changes")]

    def test_drain_ends_those_of_changed_and_removed_exports_only(self):
        keeps, removed, changed = self.client("keep"), self.client("slow"), self.client("changes")
        said = self.reload([{**KEEP}, config.memory_export("2M", "changes")], "--drain")
        self.assertEqual((said["changed"], said["removed"]), (["changes"], ["slow"]))
        self.assertTrue(removed.is_closed())
        self.assertTrue(changed.is_closed())
        self.assertEqual(keeps.ask(READ, 0, 4), bytes(4))
        self.assertEqual(self.client("changes").ask(WRITE, MIB, 4, data=b"more"), 0)
        self.wait_for_line("a reload of the config ended it")

    def test_drain_ends_those_of_exports_that_an_earlier_reload_has_removed(self):
        client = self.client("changes")
        self.reload([KEEP])
        self.assertEqual(len(client.ask(READ, 0, 512)), 512)
        self.reload([KEEP], "--drain")
        self.assertTrue(client.is_closed())

    def test_drain_answers_what_is_under_way_and_refuses_the_rest(self):
        client = self.client("slow")
        self.gate.touch()
        self.addCleanup(self.gate.unlink, missing_ok=True)
        client.request(READ, 0, 512, cookie=1)
        self.wait_until("it is under way", lambda: self.export("slow")["in_flight"] == 1)
        self.reload([KEEP], "--drain")
        client.request(READ, 0, 512, cookie=2)
        self.gate.unlink()
        errors = {}
        for _ in range(2):  # the refusal may be the first
            _, error, cookie = struct.unpack(">IIQ", client.receive(16))
            errors[cookie] = error
            client.receive(0 if error else 512)
        self.assertEqual(errors, {1: 0, 2: ESHUTDOWN})
        self.assertTrue(client.is_closed())

    def test_without_it_requests_go_on_through_hundreds_of_reloads(self):
        """New clients come, others stay and check what they read; exports come, go and change meanwhile."""
        over, wrong, rounds = threading.Event(), [], [0, 0]

        def stay():
            client = self.client("keep")
            while not over.is_set():
                words = os.urandom(512)
                if client.ask(WRITE, 0, 512, data=words) != 0 or client.ask(READ, 0, 512) != words:
                    wrong.append("keep")
                rounds[0] += 1

        def come():
            while not over.is_set():
                with wire.Client(self.server).go("changes") as client:
                    if client.ask(READ, 0, 512) != bytes(512):
                        wrong.append("changes")
                rounds[1] += 1

        def guarded(work):
            try:
                work()
            except Exception as error:  # told by the test, which is in another thread
                wrong.append(repr(error))

        threads = [threading.Thread(target=guarded, args=[work]) for work in (stay, come)]
        for thread in threads:
            thread.start()
        peer = self.raw()
        answers = peer.makefile()
        try:
            before = None
            for number in range(300):
                more = [config.memory_export("1M", f"more{number % 7}")] if number % 3 else []
                self.rewrite([KEEP, config.memory_export(f"{1 + number % 2}M", "changes"), *more])
                if number % 10 == 9:
                    self.file.write_text("[server]\nlog_level = 7\n")
                peer.sendall(b'{"command": "reload"}\n')
                self.assertEqual('"ok":true' in answers.readline(), number % 10 != 9)
                if number == 50:
                    before = self.footprint()
        finally:
            over.set()
            for thread in threads:
                thread.join()
            answers.close()
        self.assertEqual(wrong, [])
        self.assertTrue(all(rounds), rounds)
        self.wait_until("descriptors and threads are as they were",
                        lambda: all(now <= then + 4 for now, then in zip(self.footprint(), before)))

    def footprint(self):
        """Descriptors and threads of the server."""
        return [len(os.listdir(f"/proc/{self.server.pid}/{kind}")) for kind in ("fd", "task")]


if __name__ == "__main__":
    main(at_once=True)
