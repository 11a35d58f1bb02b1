#!/usr/bin/env python3
"""Each header of the SDK compiles by itself, without a warning: abi.h as C11, all as C++20 and C++23, with gcc and clang.

usage: headers.py INCLUDE_FOLDER"""
import pathlib
import subprocess
import sys

INCLUDE = pathlib.Path(sys.argv[1])
WARNINGS = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror".split()
C = [("gcc", "c11"), ("clang", "c11")]
CXX = [("g++", "c++20"), ("g++", "c++23"), ("clang++", "c++20"), ("clang++", "c++2b")]


def compiles(compiler, standard, source, say=True):
    """Whether the text compiles; what the compiler says if not is printed."""
    language = "c" if standard == "c11" else "c++"
    command = [compiler, f"-std={standard}", "-fsyntax-only", *WARNINGS, f"-I{INCLUDE}", "-x", language, "-"]
    result = subprocess.run(command, input=source, text=True, capture_output=True)
    if result.returncode != 0 and say:
        print(f"{' '.join(command)}\n{source[:200]}\n{result.stderr}")
    return result.returncode == 0


def main():
    headers = sorted(p.relative_to(INCLUDE).as_posix() for p in (INCLUDE / "ashlar").rglob("*.h*"))
    assert "ashlar/abi.h" in headers and len(headers) > 10, f"no SDK in {INCLUDE}"
    wrong = 0
    for compiler, standard in C + CXX:
        # What a header lacks does not depend on the standard, so each is tried by itself with one, and all together with others.
        alone = headers if standard == "c++20" else ["ashlar/abi.h"]
        together = [] if standard in ("c11", "c++20") else [headers]
        for names in [[name] for name in alone] + together:
            twice = "".join(f"#include <{name}>\n" for name in names) * 2  # each must guard itself
            wrong += not compiles(compiler, standard, twice + "extern int unused;\n")
        # A check that cannot fail checks nothing.
        assert not compiles(compiler, standard, "#include <ashlar/abi.h>\nextern int unused, unused();\n", say=False)
    print(f"{len(headers)} headers, {len(C + CXX)} compilers and standards, {wrong} wrong")
    return 1 if wrong else 0


sys.exit(main())
