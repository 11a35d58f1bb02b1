#!/bin/sh
# Installs, builds, brings up a Ceph of its own, in memory and on loopback, makes an image there, serves it, copies a disk through
# the server, and compares what has come. At the end nothing of that is left but the build.
#
#   examples/ceph.sh
#
# ASHLAR=PROGRAM serves with that program and neither installs nor builds.
# Exit codes: 0 all was right, 1 something was not, 2 usage.
set -eu

# show COMMAND...: prints the command, then what it prints.
show() {
  printf '\n$'
  for word in "$@"; do
    case "$word" in
      *" "*) printf ' "%s"' "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  echo
  "$@" 2>&1
}

# What is done while there is a Ceph. All is in $folder; $CEPH_CONF tells where the cluster is.
copy_through() {
  cd "$folder"
  head -c 5M /dev/urandom >disk.img
  truncate -s 64M disk.img
  cat >disks.toml <<TOML
[server]
listen = ["unix:nbd.sock"]

[[export]]
name = "old"
read_only = true
plugin = { type = "file", path = "disk.img" }

[[export]]
name = "new"
plugin = { type = "rbd", image = "vm1", conf = "$CEPH_CONF" }
TOML
  show rbd create --size 64M vm1
  show "$ASHLAR" probe --plugin rbd rbd/vm1
  show "$ASHLAR" serve disks.toml --run \
    "nbdcopy --destination-is-zero --flush 'nbd+unix:///old?socket=nbd.sock' 'nbd+unix:///new?socket=nbd.sock'"
  show rbd diff --whole-object vm1
  show rbd export --no-progress vm1 copy.img
  show cmp disk.img copy.img
  echo
  echo "All was right."
}

if [ "$#:${1:-}:${folder:+there}" = "1:--copy-through:there" ]; then
  copy_through
  exit
fi
[ $# = 0 ] || {
  echo "usage: examples/ceph.sh" >&2
  exit 2
}

root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${ASHLAR:-}" ]; then
  "$root/tests/setup.sh" --ceph
  [ -e "$root/build/build.ninja" ] || (cd "$root" && cmake --preset release -DASHLAR_TESTS=OFF)
  cmake --build "$root/build"
  ASHLAR=$root/build/bin/ashlar
fi
folder=$(mktemp -d)
export ASHLAR folder
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
PYTHONDONTWRITEBYTECODE=1 python3 "$root/tests/ceph/cluster.py" "$0" --copy-through || exit 1
