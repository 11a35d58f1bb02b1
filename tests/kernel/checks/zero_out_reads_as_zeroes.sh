# blkdiscard -z: what was zeroed reads as zeroes, all else is as it was. Kernels before 6.12 write the zeroes themselves.
. "$TESTS/zeroes.sh"

inside() {
  start_with_data
  make_ranges_zero --zeroout
}

outside() {
  cmp image expected
}
