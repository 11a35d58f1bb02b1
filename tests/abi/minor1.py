#!/usr/bin/env python3
"""Makes the headers of a minor that may come: each struct that may grow is longer, and there are an op, flags, a trait and an
extension more.

usage: minor1.py INCLUDE OUT: copies the folder INCLUDE to OUT, with another abi.h."""
import pathlib
import re
import shutil
import sys

NUMBERS = {"ASHLAR_ABI_MINOR": "1u", "ASHLAR_OPS_KNOWN": "UINT64_C(0xff)", "ASHLAR_FLAGS_KNOWN": "UINT64_C(0x3ff)",
           "ASHLAR_TRAITS_KNOWN": "UINT64_C(0x3f)"}
ADDED = """
#define ASHLAR_OP_COUNT 7u /* tells by `data`, a uint64_t, how many bytes of the range are not zero */
#define ASHLAR_TWICE (UINT64_C(1) << 9) /* any op: do it twice */
#define ASHLAR_NEW_TRAIT (UINT64_C(1) << 5)
#define ASHLAR_LATER_ID "ashlar.later/1"
"""


def grown(text):
    """The text of abi.h, grown as a later minor may grow."""
    text = re.sub(r"(^struct \w+ \{[^\n]*\n\s*uint32_t struct_size;.*?)(^\};)", r"\1  uint64_t added;\n\2", text, flags=re.M | re.S)
    for name, value in NUMBERS.items():
        text, times = re.subn(rf"^#define {name} \S+", f"#define {name} {value}", text, flags=re.M)
        assert times == 1, name
    before, end, after = text.rpartition("#ifdef __cplusplus\n}")
    return before + ADDED.lstrip() + "\n" + end + after


def main(include, out):
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(include, out)
    header = out / "ashlar/abi.h"
    header.write_text(grown(header.read_text()))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
