# The image is made longer while a client is connected: the next one has the new size, the old one keeps the old size and goes on.
. "$TESTS/sizes.sh"

inside() {
  truncate -s 24M image
  serve image
  attach tcp image "$device" -C 2
  size_is "$device" 24
  truncate -s 40M image
  attach unix image "$second_device" -C 2
  size_is "$second_device" 40
  write_at_mib "$second_device" 39
  size_is "$device" 24
  write_at_mib "$device" 23
  # Both see one disk.
  same "$second_device" $((23 << 20)) 1048576 "$device" $((23 << 20))
  detach "$second_device"
  detach "$device"
  stop_server
}

outside() { image_has 40 39 23; }
