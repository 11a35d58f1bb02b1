"""A module's file that was replaced: exports that change or are new take it, the others keep the one that they have."""

import os
import pathlib
import shutil

from reloading import READ, Reloading, config, main, wire

MODULES = pathlib.Path(os.environ["ASHLAR_MODULES"])


class Replaced(Reloading):
    """The file of the plugin memory lies in a folder of the test's own."""

    def exports(self):
        (self.folder / "plugins").mkdir()
        self.module = self.folder / "plugins" / "memory.so"
        shutil.copy(MODULES / "plugins" / "memory.so", self.module)
        return [config.memory_export("1M", "one"), config.memory_export("1M", "two")]

    def serve(self, exports, **settings):
        return super().serve(exports, module_path=[str(self.folder)], **settings)

    def addresses(self):
        return {**super().addresses(), "module_path": [str(self.folder)]}

    def replace(self):
        """By a copy, which is another file with the same name."""
        new = self.folder / "new.so"
        shutil.copy(MODULES / "plugins" / "memory.so", new)
        os.rename(new, self.module)

    def mapped(self):
        """The inodes of the files of that name that the server has loaded."""
        with open(f"/proc/{self.server.pid}/maps", encoding="utf-8") as maps:
            return {int(line.split()[4]) for line in maps if str(self.module) in line}

    def test_what_changes_takes_the_new_file_and_the_old_one_goes_with_its_last_user(self):
        first = os.stat(self.module).st_ino
        self.assertEqual(self.mapped(), {first})
        self.replace()
        second = os.stat(self.module).st_ino
        self.assertNotEqual(first, second)
        old = self.client("one")
        self.reload([config.memory_export("2M", "one"), config.memory_export("1M", "two")])
        self.assertEqual(self.mapped(), {first, second})
        self.assertEqual(old.ask(READ, 0, 4), bytes(4))
        for name in ("one", "two"):
            with wire.Client(self.server).go(name) as client:
                self.assertEqual(client.ask(READ, 0, 4), bytes(4))
        self.reload([config.memory_export("2M", "one"), config.memory_export("2M", "two")])
        self.assertEqual(self.mapped(), {first, second})  # old has it still
        old.close()
        self.wait_until("the old file is unloaded", lambda: self.mapped() == {second})

    def test_it_is_replaced_again_and_again(self):
        for size in range(2, 6):
            self.replace()
            self.reload([config.memory_export(f"{size}M", "one")])
            self.wait_until("only the new file is loaded", lambda: self.mapped() == {os.stat(self.module).st_ino})
            with wire.Client(self.server).go("one") as client:
                self.assertEqual(client.size, size << 20)

    def test_one_that_is_no_module_changes_nothing(self):
        self.module.unlink()
        self.module.write_text("no module")
        self.assertIn("memory.so", self.refused([config.memory_export("2M", "one")]))
        self.assertEqual(self.client("one").size, 1 << 20)


if __name__ == "__main__":
    main(at_once=True)
