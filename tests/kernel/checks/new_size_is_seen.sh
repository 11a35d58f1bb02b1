# The image is made longer while nobody is connected: the next connection has the new size.
. "$TESTS/sizes.sh"

inside() {
  truncate -s 16M image
  serve image
  attach tcp image "$device" -C 2
  size_is "$device" 16
  write_at_mib "$device" 3
  detach "$device"

  truncate -s 24M image
  attach tcp image "$device" -C 2
  size_is "$device" 24
  write_at_mib "$device" 23
  detach "$device"
  stop_server
}

outside() { image_has 24 3 23; }
