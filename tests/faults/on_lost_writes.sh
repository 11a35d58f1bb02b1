#!/bin/sh
# on_lost_writes.sh COMMAND…: runs COMMAND with a loop device of 64 MiB as $DEVICE whose backing file has room for 4 MiB only: writes go
# to the page cache, and are lost when the kernel writes them back. Exits 77 (skipped) where that cannot be had: it needs root and loop
# devices.
set -eu
skip() {
  echo "on_lost_writes.sh: skipped: $1"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "loop devices need root"
if [ "${ON_LOST_WRITES_INSIDE:-}" = "" ]; then
  unshare --mount --propagation private true || skip "needs a mount namespace of its own"
  ON_LOST_WRITES_INSIDE=yes exec unshare --mount --propagation private "$0" "$@"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/ashlar-faults-XXXXXX")
DEVICE=
clean_up() {
  [ -z "$DEVICE" ] || losetup --detach "$DEVICE"
  umount "$work/small" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/small"
mount -t tmpfs -o size=4M tmpfs "$work/small" || skip "tmpfs cannot be mounted here"
truncate -s 64M "$work/small/backing"
DEVICE=$(losetup --find --show "$work/small/backing") || skip "there are no loop devices here"
export DEVICE
"$@"
