#!/bin/sh
# Tells which sources are not as .clang-format says, and which lines of them and of CMake's files are longer than 120
# columns, or, of Python, than 140. clang-format leaves comments as they are, so their length is looked at here.
#
# Exit codes: 0 all well, 1 not: each place is named on stderr; 77 clang-format is not here.
set -eu
cd "$(dirname "$0")/.."

command -v clang-format >/dev/null || {
  echo "format.sh: clang-format is not installed" >&2
  exit 77
}
sources() {
  find host plugins filters sdk tests examples -type f \
    \( -name '*.cpp' -o -name '*.hpp' -o -name '*.c' -o -name '*.h' \) -print0
}
for_cmake() {
  find CMakeLists.txt host plugins filters sdk tests examples -type f \
    \( -name CMakeLists.txt -o -name '*.cmake' \) -print0
}
# Programs without a suffix, too.
for_python() {
  find host plugins filters sdk tests examples -type f -name '*.py' -print0
  find tests -type f ! -name '*.*' -exec sh -c 'head -n 1 "$1" | grep -q "^#!.*python"' - {} \; -print0
}

code=0
sources | xargs -0 clang-format --dry-run -Werror || code=1
if { sources && for_cmake; } | LC_ALL=C.UTF-8 xargs -0 grep -nE '^.{121}' >&2; then
  echo "format.sh: these lines are longer than 120 columns" >&2
  code=1
fi
if for_python | LC_ALL=C.UTF-8 xargs -0 grep -nE '^.{141}' >&2; then
  echo "format.sh: these lines are longer than 140 columns" >&2
  code=1
fi
exit "$code"
