# blkdiscard: what was discarded reads as zeroes and is freed, all else is as it was.
. "$TESTS/zeroes.sh"

inside() {
  start_with_data
  make_ranges_zero
  [ "$(logged ' trim .*result=ok')" -ge 4 ] || fail "no trims came"
  is_freed
}

# Of 16 MiB, 5052 KiB were discarded; 64 KiB for the file system's own blocks.
is_freed() {
  [ "$(allocated image)" -le $((16384 - 5052 + 64)) ] || fail "$(allocated image) KiB are allocated"
}

outside() {
  cmp image expected
  is_freed
}
