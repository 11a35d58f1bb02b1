# Random writes of all sizes, many at once, with flushes between, over both transports at once: two devices of the kernel on one image.

# fio_job FILE OFFSET WORD...: the same blocks in the same order each time.
fio_job() {
  file=$1
  offset=$2
  shift 2
  fio --name=verify --filename="$file" --offset="$offset" --size=16m --rw=randwrite --bsrange=4k-128k --randseed=4711 --fsync=16 \
    --ioengine=libaio --direct=1 --iodepth=16 --verify=crc32c --verify_fatal=1 --verify_state_save=0 "$@"
}

inside() {
  truncate -s 32M image
  serve image
  attach unix image "$device" -C 4
  attach tcp image "$second_device" -C 4
  fio_job "$device" 0 >unix.fio &
  jobs=$!
  fio_job "$second_device" 16m >tcp.fio || fail "fio over tcp: $(cat tcp.fio)"
  wait "$jobs" || fail "fio over unix: $(cat unix.fio)"
  [ "$(logged ' flush .*result=ok')" -gt 10 ] || fail "no flushes came"
  detach "$device"
  detach "$second_device"
  stop_server
}

outside() {
  fio_job image 0 --verify_only
  fio_job image 16m --verify_only
}
