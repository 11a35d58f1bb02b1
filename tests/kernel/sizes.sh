# Disks that change their size, for checks of who sees which.

# size_is DEVICE MIB
size_is() {
  [ "$(blockdev --getsize64 "$1")" = $(($2 << 20)) ] || fail "$1 has $(blockdev --getsize64 "$1") bytes, not $2 MiB"
}

# write_at_mib FILE MIB: a MiB that is different for each place.
write_at_mib() { seq "$2" 1000000 | head -c 1M | dd of="$1" bs=1M seek="$2" conv=notrunc,fsync iflag=fullblock status=none; }

# image_has MIB PLACE...: the image has that size, what was written at these places, and nothing else.
image_has() {
  truncate -s "$1M" expected
  shift
  for mib in "$@"; do write_at_mib expected "$mib"; done
  cmp image expected
}
