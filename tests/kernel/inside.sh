#!/bin/sh
# inside.sh SETTINGS: runs the checks in the guest, one after another, with the host's root as its own. What it has to say goes to
# $WORK/share, which the host sees at once: `results` has a line per event, NAME.inside what the check printed, NAME.kernel what the
# kernel logged meanwhile. SETTINGS is written by run.py.
set -u
. "$1"
export WORK TESTS ASHLAR CHECK_SECONDS
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C PYTHONDONTWRITEBYTECODE=1 TMPDIR="$WORK/scratch"
share=$WORK/share
ip link set lo up

report() {
  echo "$*" >>"$share/results"
}

# A check that hangs holds the kernel's own locks: nothing after it could be trusted. The blocked tasks go to the kernel's log.
give_up() {
  echo w >/proc/sysrq-trigger
  dmesg >"$share/$1.kernel"
  report hung "$1"
  echo o >/proc/sysrq-trigger
}

run_check() {
  mkdir "$WORK/scratch/$1"
  dmesg --clear
  report begin "$1"
  start=$(cut -d. -f1 /proc/uptime)
  (sleep "$CHECK_SECONDS" && give_up "$1") &
  watch=$!
  "$TESTS/check.sh" inside "$1" "$WORK/scratch/$1" "$2" >"$share/$1.inside" 2>&1
  code=$?
  kill "$watch"
  dmesg >"$share/$1.kernel"
  took=$(($(cut -d. -f1 /proc/uptime) - start))
  sync
  if [ "$code" = 0 ]; then report ok "$1" "$took"; else report failed "$1" "$took"; fi
}

if [ "$SHELL_WANTED" = yes ]; then
  mkdir "$WORK/scratch/shell"
  setsid --ctty --wait "$TESTS/check.sh" shell - "$WORK/scratch/shell" 0 </dev/ttyS0 >/dev/ttyS0 2>&1
  exit 0
fi

report up
number=0
for name in $CHECKS; do
  run_check "$name" "$number"
  number=$((number + 1))
done
report done
