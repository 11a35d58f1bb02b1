#!/bin/sh
# Installs what is missing, builds, runs the tests.
#
#   tests/run.sh [--preset release|debug|asan|tsan] [-R REGEX]
#
# -R runs only the tests whose name matches (as ctest's). JOBS sets how many compilers and how many tests run at once; by default
# one compiler per processor, and twice as many tests, as many of them wait for time to pass. Tests that mount file systems or
# make loop devices need root; without it they are reported as skipped. With CI=true warnings are errors, and so are skipped tests,
# but for those that tests/skipped.sh lists.
set -eu

usage() {
  echo "usage: tests/run.sh [--preset release|debug|asan|tsan] [-R REGEX]" >&2
  exit 2
}

preset=release
regex=
while [ $# -gt 0 ]; do
  case "$1" in
    --preset | -R)
      [ $# -ge 2 ] || usage
      if [ "$1" = -R ]; then regex=$2; else preset=$2; fi
      shift 2
      ;;
    *) usage ;;
  esac
done
case "$preset" in
  release) build=build ;;
  debug | asan | tsan) build=build-$preset ;;
  *) usage ;;
esac

cd "$(dirname "$0")/.."
processors=$(nproc)
compilers=${JOBS:-$processors}
at_once=${JOBS:-$((2 * processors))}
tests/setup.sh

werror=OFF
[ "${CI:-}" != true ] || werror=ON
# Tests are switched on by name: examples/quickstart.sh may have configured the same folder without them.
cmake --preset "$preset" -DASHLAR_TESTS=ON -DASHLAR_WERROR=$werror
cmake --build "$build" -j "$compilers"

# ctest prints its own summary last. A filter that matches no test is a mistake, not a success.
results=$PWD/$build/ctest-results.xml
set -- --preset "$preset" -j "$at_once" --no-tests=error --output-junit "$results"
[ -z "$regex" ] || set -- "$@" -R "$regex"
code=0
ctest "$@" || code=$?
if [ "${CI:-}" = true ] && ! tests/skipped.sh "$results" "$preset"; then
  [ "$code" != 0 ] || code=1
fi
exit "$code"
