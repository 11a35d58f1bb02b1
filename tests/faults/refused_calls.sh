#!/bin/sh
# refused_calls.sh PROGRAM: 10 000 provisioned zeroes on a file system without ZERO_RANGE ($FOLDER) cost one refused call per
# method, as strace(1) counts.
set -eu
strace -o /dev/null true || {
  echo "refused_calls.sh: skipped: needs strace(1), and to be allowed to trace"
  exit 77
}
trace=$FOLDER/trace
# A leak check cannot work under ptrace(2).
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -qq -e trace=fallocate -o "$trace" "$1" "[.many]"
refused=$(grep -c EOPNOTSUPP "$trace") || true
zero_range=$(grep -c 'ZERO_RANGE.*EOPNOTSUPP' "$trace") || true
done=$(grep -c ' = 0$' "$trace") || true
echo "refused: $refused, of these ZERO_RANGE: $zero_range; done: $done"
# WRITE_ZEROES and ZERO_RANGE once each; PUNCH_HOLE and allocation ten thousand times each.
[ "$refused" = 2 ] && [ "$zero_range" = 1 ] && [ "$done" = 20000 ]
