# Ranges that are made zero in a disk full of data, for checks of the different ways to do so.

# A disk of 16 MiB, and in `expected` what it has to hold in the end.
start_with_data() {
  seq 1 3000000 | head -c 16M >image
  cp image expected
  sync
  serve image
  attach unix image "$device" -C 2
  # In the kernel's cache there is data that is not to be read any more.
  cmp "$device" expected
}

# range OFFSET LENGTH (in KiB) WORD of blkdiscard...
make_zero() {
  offset=$1
  length=$2
  shift 2
  blkdiscard --offset "${offset}KiB" --length "${length}KiB" "$@" "$device"
  dd if=/dev/zero of=expected bs=1K seek="$offset" count="$length" conv=notrunc status=none
}

# Ranges at the start, at the end, in the middle, and of a single block.
make_ranges_zero() {
  make_zero 0 1024 "$@"
  make_zero 5000 3000 "$@"
  make_zero 10004 4 "$@"
  make_zero 15360 1024 "$@"
  cmp "$device" expected || fail "the kernel reads something else"
  forget_cached
  cmp "$device" expected || fail "the kernel reads something else from the server"
  detach "$device"
  stop_server
  cmp image expected || fail "the image holds something else"
}
