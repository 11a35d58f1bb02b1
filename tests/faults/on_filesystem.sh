#!/bin/sh
# on_filesystem.sh TYPE COMMAND…: runs COMMAND with a fresh file system of TYPE (ext4, xfs, btrfs, tmpfs, or overlay: over a tmpfs) of
# 512 MiB mounted on the folder $FOLDER, in a mount namespace of its own. Exits 77 (skipped) where that cannot be had: it needs root, mkfs and loop
# devices.
set -eu
type=$1
shift
skip() {
  echo "on_filesystem.sh: skipped: $1"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "mounting needs root"
[ "$type" = tmpfs ] || [ "$type" = overlay ] || command -v "mkfs.$type" >/dev/null || skip "needs mkfs.$type"
if [ "${ON_FILESYSTEM_INSIDE:-}" = "" ]; then
  unshare --mount --propagation private true || skip "needs a mount namespace of its own"
  ON_FILESYSTEM_INSIDE=yes exec unshare --mount --propagation private "$0" "$type" "$@"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/ashlar-faults-XXXXXX")
FOLDER=$work/mounted
FSTYPE=$type
export FOLDER FSTYPE
mkdir "$FOLDER"
clean_up() {
  umount "$FOLDER" 2>/dev/null || true
  umount "$work/below" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
if [ "$type" = tmpfs ]; then
  mount -t tmpfs -o size=512M tmpfs "$FOLDER" || skip "tmpfs cannot be mounted here"
elif [ "$type" = overlay ]; then
  below=$work/below
  mkdir "$below"
  mount -t tmpfs -o size=512M tmpfs "$below" || skip "tmpfs cannot be mounted here"
  mkdir "$below/lower" "$below/upper" "$below/work"
  mount -t overlay -o "lowerdir=$below/lower,upperdir=$below/upper,workdir=$below/work" overlay "$FOLDER" ||
    skip "an overlay cannot be mounted here"
else
  truncate -s 512M "$work/image"
  case $type in
    ext4) mkfs.ext4 -q -F "$work/image" ;;
    xfs) mkfs.xfs -q -f "$work/image" ;;
    btrfs) mkfs.btrfs -q -f "$work/image" ;;
    *) echo "on_filesystem.sh: $type: unknown" >&2 && exit 2 ;;
  esac
  mount -o loop "$work/image" "$FOLDER" || skip "a file cannot be mounted as $type here"
fi
"$@"
