# SIGTERM while writers are busy: the server ends well, the writers get errors and do not hang, and what was acknowledged is there.

acknowledged() { [ "$(cat ./*.acknowledged | wc -l)" -ge "$1" ]; }

inside() {
  truncate -s 64M image
  serve image
  # What was on its way to the server when that closed is an error after the timeout, as there is no other connection left.
  attach tcp image "$device" -C 4 -timeout 10
  touch fua.acknowledged flush.acknowledged
  "$TESTS/blocks.py" write "$device" 0 4000 fua fua.acknowledged >fua.out &
  fua=$!
  "$TESTS/blocks.py" write "$device" 4000 4000 flush flush.acknowledged >flush.out &
  flush=$!
  fio --name=load --filename="$device" --offset=32m --size=32m --rw=randwrite --bs=64k --ioengine=libaio --direct=1 --iodepth=16 \
    --time_based --runtime=1h --eta=never >fio.out 2>&1 &
  load=$!
  jobs="$fua $flush $load"
  wait_until acknowledged 200
  stop_server
  for job in $jobs; do
    code=0
    wait "$job" || code=$?
    [ "$code" != 0 ] || fail "a writer has noticed nothing"
    [ "$code" -lt 128 ] || fail "a writer was ended by signal $((code - 128))"
  done
  cat fua.out flush.out
  grep EIO fua.out
  grep EIO flush.out
  grep -q 'error=Input/output error' fio.out || fail "fio: $(cat fio.out)"
  detach "$device"
  outside
}

outside() {
  for how in fua flush; do "$TESTS/blocks.py" verify image "$how.acknowledged"; done
}
