#!/usr/bin/env python3
"""What a module of ABI 1.0 relies on is as it was: abi.h differs from the header frozen in v1_0 at tails only.

usage: frozen.py FROZEN_INCLUDE INCLUDE"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import minor1
from declared import GROWING, Declared, changes, layout_test, measuring_program

FROZEN, INCLUDE = map(pathlib.Path, sys.argv[1:3])
COMPILERS = [("gcc", "c11", "c"), ("clang", "c11", "c"), ("g++", "c++20", "c++"), ("g++", "c++23", "c++"), ("clang++", "c++20", "c++"),
             ("clang++", "c++2b", "c++")]

# Edits of the header, each of which an old module would suffer from: first those that the layout shows.
MOVING = [
    ("  uint64_t length; /*", "  uint64_t flags2;\n  uint64_t length; /*"),
    ("  uint64_t offset; /* bytes; offset", "  uint32_t offset; /* bytes; offset"),
    ("  int64_t uid, gid, pid;", "  int64_t gid, uid, pid;"),
    ("  int32_t parameter; /*", "  uint64_t parameter; /*"),
    ("  void (*close)(void* self) ASHLAR_NOEXCEPT;\n", ""),
    ("struct ashlar_probe_sink {\n  void* self;", "struct ashlar_probe_sink {\n  void* self;\n  void* other;"),
    ("  int32_t (*add)(void* self, uint64_t length, uint32_t state) ASHLAR_NOEXCEPT;",
     "  int32_t (*add)(void* self, uint64_t length, uint32_t state) ASHLAR_NOEXCEPT;\n  void* more;"),
    ("#define ASHLAR_OP_TRIM 3u", "#define ASHLAR_OP_TRIM 4u"),
    ("#define ASHLAR_FAST (UINT64_C(1) << 2)", "#define ASHLAR_FAST (UINT64_C(1) << 9)"),
    ("#define ASHLAR_PARAM_SECRET 7u", "#define ASHLAR_PARAM_SECRET 8u"),
]
OTHERS = [
    ("  uint32_t minimum;   /*", "  uint32_t least;   /*"),
    ("(*process)(void* self, struct ashlar_io* io)", "(*process)(void* self, const struct ashlar_io* io)"),
    ("struct ashlar_replied {\n  uint32_t struct_size;\n  uint32_t reserved;", "struct ashlar_replied {\n  uint64_t struct_size;"),
    ("#define ASHLAR_OP_BIT(op) (UINT64_C(1) << (op))", "#define ASHLAR_OP_BIT(op) (UINT64_C(2) << (op))"),
    ('"ashlar.wait/1"', '"ashlar.wait/2"'),
    ("#define ASHLAR_OPS_KNOWN UINT64_C(0x7f)", "#define ASHLAR_OPS_KNOWN UINT64_C(0x6f)"),
    ("#define ASHLAR_GAUGE 1u     /* goes up and down */\n", ""),
    ("typedef const struct ashlar_module* (*ashlar_entry_fn)(uint32_t host_major);",
     "typedef const struct ashlar_module* (*ashlar_entry_fn)(uint64_t host_major);"),
]


class Frozen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.old_text = (FROZEN / "ashlar/abi.h").read_text()
        cls.text = (INCLUDE / "ashlar/abi.h").read_text()
        cls.old, cls.now = Declared(cls.old_text), Declared(cls.text)
        scratch = tempfile.TemporaryDirectory(prefix="ashlar-frozen-")
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        program = cls.root / "measure"
        subprocess.run(["gcc", "-std=c11", f"-I{FROZEN}", "-x", "c", "-o", program, "-"], input=measuring_program(cls.old),
                       text=True, check=True)
        rows = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout
        cls.layout = layout_test(cls.old, eval("{" + rows + "}"))

    def compiles(self, text, compiler, standard, language):
        """What the compiler says when the old layout is looked for in a header; empty: it is there."""
        (self.root / "ashlar").mkdir(exist_ok=True)
        (self.root / "ashlar/abi.h").write_text(text)
        command = [compiler, f"-std={standard}", "-fsyntax-only", f"-I{self.root}", "-x", language, "-"]
        return subprocess.run(command, input=self.layout, text=True, capture_output=True).stderr

    def test_the_header_was_read(self):
        self.assertEqual(len(self.old.structs), 31)
        self.assertEqual(len(self.old.structs["ashlar_io"]), 12)
        self.assertEqual([name for name, _ in self.old.structs["ashlar_client"]][4:7], ["uid", "gid", "pid"])
        self.assertEqual([name for name in self.old.structs if self.old.structs[name] and not self.old.grows(name)],
                         ["ashlar_extent_sink", "ashlar_probe_sink", "ashlar_exports_sink"])
        self.assertTrue(GROWING < set(self.old.numbers))
        self.assertEqual(len(self.old.others), 3)

    def test_what_the_header_declares_is_kept(self):
        self.assertEqual(changes(self.old, self.now), [])

    def test_the_layout_is_kept(self):
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                self.assertEqual(self.compiles(self.text, *compiler), "")

    def test_nothing_is_added_without_a_new_minor(self):
        if self.old.numbers["ASHLAR_ABI_MINOR"] == self.now.numbers["ASHLAR_ABI_MINOR"]:
            self.assertEqual((self.now.structs, self.now.numbers, self.now.others),
                             (self.old.structs, self.old.numbers, self.old.others))

    def test_growing_at_the_tail_is_no_change(self):
        text = minor1.grown(self.old_text)
        grown = Declared(text)
        self.assertEqual(changes(self.old, grown), [])
        self.assertEqual(self.compiles(text, *COMPILERS[0]), "")
        longer = [name for name in self.old.structs if grown.structs[name] != self.old.structs[name]]
        self.assertEqual(longer, [name for name in self.old.structs if self.old.grows(name)])
        self.assertIn("ASHLAR_OP_COUNT", grown.numbers)

    def test_what_was_reserved_may_be_used(self):
        text = self.old_text.replace("  uint32_t depth;     /* how many requests at once, of one client, it gains from; 0: it does "
                                     "not know */\n  uint32_t reserved;", "  uint32_t depth;\n  uint32_t width;")
        self.assertNotEqual(text, self.old_text)
        self.assertEqual(changes(self.old, Declared(text)), [])
        self.assertEqual(self.compiles(text, *COMPILERS[0]), "")

    def test_each_harmful_change_is_seen(self):
        for old, new in MOVING + OTHERS:
            with self.subTest(old=old, new=new):
                text = self.old_text.replace(old, new, 1)
                self.assertNotEqual(text, self.old_text)
                self.assertNotEqual(changes(self.old, Declared(text)), [])
                if (old, new) in MOVING:
                    self.assertNotEqual(self.compiles(text, *COMPILERS[0]), "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
