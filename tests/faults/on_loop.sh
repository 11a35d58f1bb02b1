#!/bin/sh
# on_loop.sh SECTOR COMMAND…: runs COMMAND with a loop device of 64 MiB and a logical sector of SECTOR bytes as $DEVICE, backed by
# the file $BACKING. Exits 77 (skipped) where that cannot be had: it needs root and loop devices.
set -eu
SECTOR=$1
shift
skip() {
  echo "on_loop.sh: skipped: $1"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "loop devices need root"
work=$(mktemp -d "${TMPDIR:-/tmp}/ashlar-faults-XXXXXX")
BACKING=$work/backing
DEVICE=
clean_up() {
  [ -z "$DEVICE" ] || losetup --detach "$DEVICE"
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
truncate -s 64M "$BACKING"
DEVICE=$(losetup --find --show --sector-size "$SECTOR" "$BACKING") || skip "there are no loop devices here"
export DEVICE BACKING SECTOR
"$@"
