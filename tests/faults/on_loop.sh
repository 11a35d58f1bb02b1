#!/bin/sh
# on_loop.sh SECTOR COMMAND…: runs COMMAND with a loop device of 64 MiB and a logical sector of SECTOR bytes as $DEVICE, backed by
# the file $BACKING. Needs root; exits 77 (skipped) without.
set -eu
SECTOR=$1
shift
if [ "$(id -u)" != 0 ]; then
  echo "on_loop.sh: loop devices need root: skipped"
  exit 77
fi
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
DEVICE=$(losetup --find --show --sector-size "$SECTOR" "$BACKING")
export DEVICE BACKING SECTOR
"$@"
