#!/bin/sh
# Installs, builds, makes a small ext4 disk image with files in it, and serves it.
#
#   examples/quickstart.sh          serves build/quickstart/disk.img in the foreground; Ctrl-C stops it
#   examples/quickstart.sh --once   tries the server out by itself, shows what clients print, stops it
#
# ASHLAR=PROGRAM serves with that program and neither installs nor builds.
# Exit codes: 0 all was right, 1 something was not, 2 usage.
set -eu
PATH=$PATH:/sbin:/usr/sbin # mkfs.ext4 and debugfs live there

# ---- The steps, as functions ----

# build_ashlar ROOT: configures build/ once, then builds what has changed.
build_ashlar() {
  if [ ! -e "$1/build/build.ninja" ]; then
    (cd "$1" && cmake --preset release -DASHLAR_TESTS=OFF)
  fi
  cmake --build "$1/build"
}

# make_image FILE: a 32 MiB disk: 28 MiB of ext4 with a few files, then 4 MiB that are free to write to. No mount, no root.
make_image() {
  files=$(mktemp -d)
  echo "Hello from a disk that is served by ashlar." >"$files/hello.txt"
  mkdir "$files/stones"
  seq 1 10000 >"$files/stones/numbers.txt"
  head -c 1000000 /dev/urandom >"$files/stones/random.bin"
  # Made under another name and moved: an interrupted run leaves no half image behind.
  truncate -s 32M "$1.new"
  mkfs.ext4 -q -F -L quickstart -d "$files" "$1.new" 28M
  rm -r "$files"
  mv "$1.new" "$1"
}

# print_commands URI: what a reader may type in another terminal.
print_commands() {
  cat <<TEXT
While it runs, try in another terminal:

  nbdinfo $1
  nbdinfo --map $1
  nbdcopy $1 copy.img && debugfs -R 'cat /hello.txt' copy.img
  qemu-io -f raw -c 'write -P 0x5a 30M 64k' -c 'read -P 0x5a 30M 64k' $1

Ctrl-C stops the server.

TEXT
}

# start_server ASHLAR FOLDER: starts it in the background and waits until it listens. Sets `server`.
start_server() {
  : >"$2/ready"
  "$1" serve --listen "unix:$2/ashlar.sock" "$2/quickstart.toml" >"$2/ready" 2>"$2/log" &
  server=$!
  waited=0
  until grep -q '^listening on ' "$2/ready"; do
    if ! kill -0 "$server" 2>/dev/null || [ "$waited" -ge 300 ]; then
      echo "quickstart.sh: the server did not start:" >&2
      cat "$2/log" >&2
      exit 1
    fi
    sleep 0.1
    waited=$((waited + 1))
  done
  cat "$2/ready"
}

# stop_server: asks it to stop, as a service manager would, and wants exit code 0.
stop_server() {
  kill -TERM "$server"
  code=0
  wait "$server" || code=$?
  server=
  if [ "$code" != 0 ]; then
    echo "quickstart.sh: the server stopped with exit code $code:" >&2
    cat "$folder/log" >&2
    exit 1
  fi
}

# At the end, come what may.
stop_and_remove() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$folder"
}

# show COMMAND...: prints the command, then what it prints.
show() {
  printf '\n$'
  for word in "$@"; do
    case "$word" in
      *" "*) printf " '%s'" "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  echo
  "$@" 2>&1
}

# same_bytes A B: wants equal checksums.
same_bytes() {
  sha256sum "$1" "$2"
  if [ "$(sha256sum <"$1")" != "$(sha256sum <"$2")" ]; then
    echo "quickstart.sh: $1 and $2 differ" >&2
    exit 1
  fi
}

# try_clients URI FOLDER: info, a copy out with its checksum, a write and its read back. Any failure ends the script.
try_clients() {
  show nbdinfo "$1"
  show nbdcopy "$1" "$2/copy.img"
  same_bytes "$2/disk.img" "$2/copy.img"
  show debugfs -R 'cat /hello.txt' "$2/copy.img"
  show qemu-io -f raw -c 'write -f -P 0x5a 30M 64k' "$1"
  # Fails when the bytes are others than those.
  show qemu-io -f raw -c 'read -P 0x5a 30M 64k' "$1"
  # The same bytes, seen from the server's side.
  head -c 65536 /dev/zero | tr '\0' '\132' >"$2/pattern"
  dd if="$2/disk.img" of="$2/written" bs=64k skip=480 count=1 status=none
  same_bytes "$2/pattern" "$2/written"
  echo
}

# ---- Here it starts ----

case "$#:${1:-}" in
  0:) once=no ;;
  1:--once) once=yes ;;
  *)
    echo "usage: examples/quickstart.sh [--once]" >&2
    exit 2
    ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)

if [ -n "${ASHLAR:-}" ]; then
  ashlar=$ASHLAR
else
  "$root/tests/setup.sh" --quickstart
  build_ashlar "$root"
  ashlar=$root/build/bin/ashlar
fi

if [ "$once" = yes ]; then
  folder=$(mktemp -d)
  server=
  trap stop_and_remove EXIT
  trap 'exit 1' HUP INT TERM
else
  folder=$root/build/quickstart
  mkdir -p "$folder"
fi

# The config names its image relative to itself, so a copy beside the image works as it is.
cp "$root/examples/quickstart.toml" "$folder/quickstart.toml"
if [ -e "$folder/disk.img" ]; then
  echo "Serving the image of the last time; remove $folder/disk.img for a new one."
else
  make_image "$folder/disk.img"
fi

if [ "$once" = no ]; then
  print_commands "nbd://127.0.0.1:10809/disk"
  exec "$ashlar" serve "$folder/quickstart.toml"
fi

# A socket of its own instead of the config's port: several of these may run at once.
start_server "$ashlar" "$folder"
uri="nbd+unix:///disk?socket=$folder/ashlar.sock"
try_clients "$uri" "$folder"
stop_server
echo "All was right."
