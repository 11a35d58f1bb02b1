# The server stops and another is started; then it is killed while fio writes, and another is started. With a dead-connection timeout
# the kernel waits for the new one, sends again what was lost, and nobody sees an error.

fio_job() {
  fio --name=verify --filename="$1" --size=8m --rw=randwrite --bs=16k --randseed=4713 --fsync=8 --ioengine=libaio --direct=1 \
    --iodepth=8 --loops="$2" --verify=crc32c --verify_fatal=1 --verify_state_save=0 "$3"
}

writes() { logged ' write .*result=ok'; }
more_writes_than() { [ "$(writes)" -gt "$1" ]; }

serve_again() {
  serve image
  "$TESTS/nbd_netlink.py" reconnect "$device" "$socket" image 2
}

inside() {
  truncate -s 16M image
  serve image
  # What was under way when a connection was lost is sent again after 10 seconds.
  "$TESTS/nbd_netlink.py" connect "$device" "$socket" image 2 10 600
  wait_until is_attached "$device"

  seq 1000000 | head -c 1M >data
  dd if=data of="$device" bs=1M seek=8 oflag=direct status=none
  stop_server
  dd if=data of="$device" bs=1M seek=9 oflag=direct status=none &
  jobs=$!
  serve_again
  wait "$jobs" || fail "a write did not wait for the next server"

  before=$(writes)
  fio_job "$device" 3 --eta=never >fio.out &
  jobs=$!
  wait_until more_writes_than $((before + 50))
  kill -KILL "$server"
  wait "$server" || true
  kill -0 "$jobs" 2>/dev/null || fail "fio was done before the server was killed"
  serve_again
  wait "$jobs" || fail "fio: $(cat fio.out)"
  detach "$device"
  stop_server
}

outside() {
  fio_job image 1 --verify_only
  for mib in 8 9; do same image "$((mib << 20))" 1048576 data 0; done
}
