# The words that the checks are written in. check.sh sets: folder, port, socket, device, second_device.

fail() {
  echo "FAILED: $*"
  exit 1
}

# Waits until a command holds. No time is asserted: what never comes true is a hang, which inside.sh ends.
wait_until() {
  until "$@"; do sleep 0.1; done
}

# ---- In the guest: the server ----

# serve IMAGE...: serves each image as the export of that name at $socket and 127.0.0.1:$port, with a log line for each request.
serve() {
  echo "server.listen = ['unix:$socket', 'tcp:127.0.0.1:$port']" >server.toml
  for export in "$@"; do
    cat >>server.toml <<EOF
[[export]]
name = "$export"
filter = [{ type = "log" }]
plugin = { type = "file", path = "$export" }
EOF
  done
  : >server.ready
  "$ASHLAR" serve server.toml >server.ready 2>>server.log &
  server=$!
  wait_until is_ready
}

is_ready() {
  kill -0 "$server" 2>/dev/null || fail "the server did not start"
  [ "$(grep -c '^listening on' server.ready)" = 2 ]
}

# Asks the server to stop; it has to do so with exit code 0.
stop_server() {
  kill -TERM "$server"
  code=0
  wait "$server" || code=$?
  server=
  [ "$code" = 0 ] || fail "the server ended with exit code $code"
}

# logged PATTERN: how many lines of the server's log match.
logged() {
  grep -cE "$1" server.log || true
}

# ---- In the guest: the kernel's client ----

# attach unix|tcp EXPORT DEVICE [WORD of nbd-client]...
attach() {
  transport=$1
  export=$2
  to=$3
  shift 3
  if [ "$transport" = unix ]; then
    nbd-client -unix "$socket" "$to" -name "$export" "$@"
  else
    nbd-client 127.0.0.1 "$port" "$to" -name "$export" "$@"
  fi
  wait_until is_attached "$to"
}

is_attached() {
  [ "$(blockdev --getsize64 "$1")" != 0 ]
}

# Ends when the kernel has let the device go, with all its connections.
detach() {
  nbd-client -d "$1"
  wait_until is_detached "$1"
}

is_detached() {
  [ ! -e "/sys/block/$(basename "$1")/pid" ]
}

# What is read from now on comes from the server, or from the disk below it.
forget_cached() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
}

# Ends the machine as a power cut does: what is not on the disk yet is lost. For the last line of the last check.
cut_power() {
  echo "cut $name" >>"$WORK/share/results"
  echo b >/proc/sysrq-trigger
  sleep 60
}

# ---- In the guest: afterwards ----

clean_up() {
  for mounted in $(awk -v below="$folder/" 'index($2, below) == 1 {print $2}' /proc/mounts); do umount "$mounted" || true; done
  for job in ${jobs:-}; do kill -KILL "$job" 2>/dev/null || true; done
  for used in "$device" "$second_device"; do is_detached "$used" || nbd-client -d "$used" || true; done
  [ -z "${server:-}" ] || kill -KILL "$server" 2>/dev/null || true
}

# ---- Of images, in the guest and on the host ----

# How many KiB of an image are allocated. On the host the image itself is a copy; what counts is the guest's own.
allocated() {
  if [ "$half" = outside ]; then
    blocks=$(debugfs -R "stat /$name/$1" "$SCRATCH" 2>/dev/null | sed -n 's/.*Blockcount: *//p')
  else
    blocks=$(stat --format %b "$1")
  fi
  echo $((blocks / 2))
}

# same FILE OFFSET LENGTH OTHER OTHERS_OFFSET: the bytes of two files are equal.
same() {
  cmp --bytes="$3" --ignore-initial="$2:$5" "$1" "$4" || fail "$1 at $2 is not $4 at $5"
}
