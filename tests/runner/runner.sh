#!/bin/sh
# runner.sh PROGRAM: the exit codes of Catch2 programs (PROGRAM is cases.cpp) and of unittest's, and the verdict of skipped.sh on what
# ctest makes of them.
set -eu
program=$1
tests=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# ends_with CODE COMMAND...
ends_with() {
  wanted=$1
  shift
  code=0
  "$@" >"$folder/printed" 2>&1 || code=$?
  [ "$code" = "$wanted" ] && return
  echo "exit code $code instead of $wanted: $*" >&2
  cat "$folder/printed" >&2
  exit 1
}

ends_with 0 "$program" "[passes]"
ends_with 77 "$program" "[skipped]"
ends_with 77 "$program" "~[fails]"
ends_with 1 "$program" "[fails]"
ends_with 1 "$program"

# unittest_cases BODY...: a program of one test for each body.
unittest_cases() {
  printf 'import sys\nsys.path.insert(0, "%s/interop")\nfrom lib.case import Case, main\nclass T(Case):\n' "$tests"
  for body in "$@"; do
    number=$((${number:-0} + 1))
    printf '    def test_%s(self):\n        %s\n' "$number" "$body"
  done
  printf 'main(needs=["sh"])\n'
}
python=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
unittest_cases pass pass >"$folder/passes.py"
unittest_cases pass 'self.skipTest("lacks")' >"$folder/skipped.py"
unittest_cases 'self.fail()' 'self.skipTest("lacks")' >"$folder/fails.py"
unittest_cases pass | sed 's/"sh"/"no-such-program"/' >"$folder/lacks.py"
ends_with 0 "$python" "$folder/passes.py"
ends_with 77 "$python" "$folder/skipped.py"
ends_with 1 "$python" "$folder/fails.py"
ends_with 77 "$python" "$folder/lacks.py"
grep -q 'no-such-program' "$folder/printed"

# What ctest writes about a run of tests that pass and of tests that pass and are skipped.
cat >"$folder/CTestTestfile.cmake" <<TESTS
add_test(good "$program" "[passes]")
add_test(lacking "$program" "[skipped]")
add_test(switched-off "$program" "[passes]")
set_tests_properties(good lacking PROPERTIES SKIP_RETURN_CODE 77)
set_tests_properties(switched-off PROPERTIES DISABLED TRUE)
TESTS
ctest --test-dir "$folder" --output-junit "$folder/all.xml" >"$folder/printed"
ctest --test-dir "$folder" --output-junit "$folder/good.xml" -R good >"$folder/printed"
ends_with 0 "$tests/skipped.sh" "$folder/good.xml" release
ends_with 1 "$tests/skipped.sh" "$folder/all.xml" release
[ "$(cat "$folder/printed")" = "skipped, but should have run: lacking switched-off" ] || {
  cat "$folder/printed" >&2
  exit 1
}
: >"$folder/empty.xml"
ends_with 1 "$tests/skipped.sh" "$folder/empty.xml" release

# What the list allows, for one preset or for any.
sed "s/^LIST$/release lacking it is so\nany switched-off it is so\nLIST/" "$tests/skipped.sh" >"$folder/skipped.sh"
ends_with 0 sh "$folder/skipped.sh" "$folder/all.xml" release
ends_with 1 sh "$folder/skipped.sh" "$folder/all.xml" asan
[ "$(cat "$folder/printed")" = "skipped, but should have run: lacking" ]
