# One of four tcp connections is cut, first while nothing is under way and then under load: the others carry on, nothing is lost.

connections() { ss -H -t -n state established "dport = :$port"; }
connections_are() { [ "$(connections | wc -l)" = "$1" ]; }

# Cuts one of the connections, as an admin does: both ends see a reset.
cut_one() {
  left=$(connections | wc -l)
  cut=$(connections | awk 'NR == 1 {sub(/.*:/, "", $3); print $3}')
  ss -H -K -t "sport = :$cut" "dport = :$port" >cut.ss
  wait_until connections_are $((left - 1))
}

# One job for each processor, and so for each of the kernel's queues.
fio_job() {
  fio --name=verify --filename="$1" --size=8m --offset_increment=8m --numjobs=2 --cpus_allowed=0,1 --cpus_allowed_policy=split \
    --rw=randwrite --bs=16k --randseed=4712 --ioengine=libaio --direct=1 --iodepth=8 --loops="$2" --verify=crc32c --verify_fatal=1 \
    --verify_state_save=0 --group_reporting "$3"
}

inside() {
  truncate -s 16M image
  serve image
  # What is lost with a connection under load is sent again after the timeout.
  attach tcp image "$device" -C 4 -timeout 10
  connections_are 4 || fail "there are $(connections | wc -l) connections, not 4"
  cut_one
  seq 1 100000 >data
  dd if=data of="$device" bs=64K conv=fsync status=none
  forget_cached
  cmp --bytes="$(stat --format %s data)" "$device" data

  fio_job "$device" 3 --eta=never >fio.out &
  jobs=$!
  written=$(logged ' write ')
  wait_until more_writes_than $((written + 50))
  cut_one
  kill -0 "$jobs" 2>/dev/null || fail "fio was done before the connection was cut"
  wait "$jobs" || fail "fio: $(cat fio.out)"
  detach "$device"
  stop_server
}

more_writes_than() { [ "$(logged ' write ')" -gt "$1" ]; }

outside() {
  fio_job image 1 --verify_only
}
