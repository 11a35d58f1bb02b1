#!/bin/sh
# Tells which tests a run of ctest has skipped that should have run:
#
#   tests/skipped.sh RESULTS PRESET
#
# RESULTS is what `ctest --output-junit` wrote. A test may be skipped where the list below says so and why. Exit codes: 0 all others
# ran, 1 some did not: they are named on stderr.
set -eu

# PRESET TEST REASON, one a line; PRESET may be "any".
may_be_skipped() {
  cat <<'LIST'
LIST
}

[ $# = 2 ] || {
  echo "usage: tests/skipped.sh RESULTS PRESET" >&2
  exit 2
}
results=$1
preset=$2
grep -q '<testsuite' "$results" || {
  echo "skipped.sh: $results holds no results of ctest" >&2
  exit 1
}

# "notrun" is a test that said so itself or whose program was not built, "disabled" one that was switched off.
skipped=$(sed -n 's/.*<testcase name="\([^"]*\)".* status="\(notrun\|disabled\)".*/\1/p' "$results")
wrongly=
for test in $skipped; do
  may_be_skipped | grep -q -e "^$preset $test " -e "^any $test " || wrongly="$wrongly $test"
done
[ -n "$wrongly" ] || exit 0
echo "skipped, but should have run:$wrongly" >&2
exit 1
