#!/usr/bin/env python3
"""What the program does with modules that lie: refuses them in one line, or, where only a request shows the lie, answers that
request with an error and goes on."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from lib import libnbd  # noqa: E402
from lib.case import Case, main  # noqa: E402
from lib.config import memory_export, toml  # noqa: E402
from lib.server import PROGRAM  # noqa: E402

import lies  # noqa: E402

LIARS = pathlib.Path(os.environ["ASHLAR_LIARS"])

# Lies that show when the module is loaded or opened, and what the line has to say beside the module's name.
REFUSED = {
    "no_entry": ["ashlar_entry"],
    "entry_null": ["ABI"],
    "wrong_major": ["major 2", "1.0"],
    "needs_newer_minor": ["1.1000000", "1.0"],
    "short_table": ["12 bytes"],
    "no_create": ["create"],
    "no_destroy": ["destroy"],
    "no_open": ["open"],
    "no_name": ["name"],
    "no_summary": ["summary"],
    "unknown_kind": ["kind", "77"],
    "unknown_threads": ["threads", "77"],
    "no_params_but_counted": ["parameters"],
    "parameter_called_type": ["type"],
    "default_out_of_range": ["default", "11"],
    "create_fails": ["create has no luck"],
    "create_fails_silently": ["No such file or directory"],
    "create_throws": ["no luck", "today"],
    "open_fails": ["open has no luck"],
    "describe_fails": ["describe has no luck"],
    "device_without_process": ["process"],
    "device_without_describe": ["describe"],
    "device_without_close": ["close"],
    "minimum_not_a_power_of_two": ["minimum", "1000"],
    "minimum_zero": ["minimum", "0"],
    "minimum_too_large": ["minimum", "1048576"],
    "preferred_zero": ["preferred", "0"],
    "preferred_too_large": ["preferred", "67108864"],
    "maximum_too_small": ["maximum", "2048"],
    "size_too_large": ["size"],
    "offers_no_read": ["read"],
    "reserved_in_layer": ["reserved"],
    "reserved_in_device": ["reserved"],
    "error_of_two_lines": ["no luck", "today"],
    "error_without_end": ["xxxx"],
    "error_too_long": ["Invalid argument"],
    "error_of_no_parameter": ["the seventh"],
    "status_of_create_negative": ["Input/output error"],
    "reserved_in_geometry": ["reserved"],
    "status_of_open_negative": ["Input/output error"],
    "status_of_describe_negative": ["Input/output error"],
    **dict.fromkeys(["extension_for_anything", "reserved_in_replied", "replied_without_a_function"],
                    ["ashlar.replied/1", "not whole"]),
    "short_row": ["parameter 1", "shorter"],
    "help_of_two_lines": ["label", "lines"],
    "row_twice": ["label", "twice"],
}
# Lies in the answer to a read.
READS_FAIL = ["status_negative", "status_huge", "would_block_always", "not_supported_read", "lends_a_bad_fd", "lends_unasked",
              "lends_past_the_end_of_the_file"]
# Lies in the answer to "which extents": an error, or an answer within bounds.
EXTENTS = ["extents_none", "extents_empty", "extents_too_much", "extents_short", "extents_endless", "extents_unknown_state",
           "extents_false_zero"]
# Lies that the host does not look for; ashlar-check finds them. Most harm nobody, but one that writes beside what it was
# given to write to may end the program: writes_behind_layer does.
ONLY_CHECKED = ["tables_by_turns", "serves_any_major", "unknown_trait_in_layer", "assigns_layer", "assigns_device",
                "assigns_geometry", "writes_behind_layer", "writes_behind_device", "writes_behind_geometry",
                "size_in_struct_size", "read_only_that_writes", "writes_to_open", "writes_to_host",
                *lies.MODULE, *lies.WITH_A_SECRET, *lies.WITH_A_PATH, *(set(lies.EXTENSIONS) - set(REFUSED))]
# Lies in the answer to a read that brings no memory. The second ends the process; only ashlar-check finds it.
SHORTCUTS = ["lends_nothing_and_says_ok", "fills_what_may_only_be_lent"]
SIZE = 1 << 20


def liar(name):
    return str(LIARS / f"{name}.so")


class Broken(Case):
    def test_every_lie_is_told_here(self):
        built = {file.stem for file in LIARS.glob("*.so")}
        self.assertEqual(built, {*REFUSED, *READS_FAIL, *EXTENTS, *SHORTCUTS, *ONLY_CHECKED, "offers_unknown", "changes_flags"})

    def test_refused_in_one_line(self):
        for lie, words in REFUSED.items():
            for command in ("check", "serve"):
                with self.subTest(lie=lie, command=command):
                    export = {"name": "disk", "plugin": {"type": liar(lie)}}
                    socket = self.folder / "never.sock"
                    file = self.write("broken.toml", toml([export], listen=[f"unix:{socket}"]))
                    done = subprocess.run([PROGRAM, command, file], capture_output=True, text=True, timeout=60)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                    self.assertTrue(done.stderr.startswith(f"{file}:"), done.stderr)
                    for word in [lie, *words]:
                        self.assertIn(word, done.stderr)
                    self.assertFalse(socket.exists())

    def with_liar(self, lie):
        """A server with the liar and, beside it, an honest disk."""
        export = {"name": "liar", "plugin": {"type": liar(lie)}}
        return self.serve([export, memory_export("1M", name="honest")])

    def assert_others_are_served(self, server):
        client = libnbd.connect(server.uri("honest"))
        self.assertEqual(client.pread(512, 0), bytes(512))
        client.shutdown()
        self.assertTrue(server.alive())

    def test_a_read_that_lies_fails_and_the_rest_goes_on(self):
        for lie in READS_FAIL:
            for structured in (True, False):
                with self.subTest(lie=lie, structured=structured):
                    server = self.with_liar(lie)
                    client = libnbd.connect(server.uri("liar"), structured=structured)
                    with self.assertRaises(libnbd.Error):
                        client.pread(4096, 0)
                    self.assert_others_are_served(server)

    def test_extents_that_lie_stay_within_bounds(self):
        for lie in EXTENTS:
            with self.subTest(lie=lie):
                server = self.with_liar(lie)
                client = libnbd.connect(server.uri("liar"))
                try:
                    found = libnbd.extents(client, 65536, 4096)
                except libnbd.Error:
                    found = None
                if found is not None:
                    self.assertTrue(found)
                    self.assertTrue(all(length > 0 and state in (0, 1, 2, 3) for length, state in found), found[:9])
                    self.assertLessEqual(sum(length for length, _ in found), SIZE - 4096)
                # The connection is still in step.
                if lie != "extents_false_zero":
                    self.assertEqual(client.pread(512, 0), bytes(512))
                self.assert_others_are_served(server)

    def test_flags_that_come_back_changed_change_nothing(self):
        server = self.with_liar("changes_flags")
        client = libnbd.connect(server.uri("liar"))
        for offset in range(0, SIZE, 64 << 10):
            self.assertEqual(client.pread(4096, offset), bytes(4096))
        self.assert_others_are_served(server)

    def test_a_read_that_was_to_be_lent_and_was_not_is_right_or_an_error(self):
        server = self.with_liar("lends_nothing_and_says_ok")
        for structured in (True, False):
            client = libnbd.connect(server.uri("liar"), structured=structured)
            for length in (512, SIZE):
                try:
                    self.assertEqual(client.pread(length, 0), bytes(length))
                except libnbd.Error:
                    self.assertGreater(length, 512)
            self.assert_others_are_served(server)

    def test_what_no_revision_knows_is_not_advertised(self):
        server = self.with_liar("offers_unknown")
        client = libnbd.connect(server.uri("liar"))
        self.assertEqual(client.pread(512, 0), bytes(512))
        self.assert_others_are_served(server)


if __name__ == "__main__":
    main()
