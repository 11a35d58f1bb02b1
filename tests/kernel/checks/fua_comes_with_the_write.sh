# A write that has to be on the disk when it is acknowledged comes as one request with FUA: written with O_DSYNC, and the commit
# block of a journal.

fua_writes() { logged ' write .*flags=fua.*result=ok'; }

inside() {
  truncate -s 32M image
  serve image
  attach unix image "$device" -C 2
  seq 1 200000 | head -c 256K >data
  dd if=data of="$device" bs=4K oflag=direct,dsync status=none
  [ "$(fua_writes)" = 64 ] || fail "64 writes with O_DSYNC came as $(fua_writes) writes with FUA"
  same image 0 262144 data 0

  mkfs.ext4 -q "$device"
  mkdir mounted
  mount "$device" mounted
  before=$(fua_writes)
  cp data mounted/data
  sync mounted/data
  [ "$(fua_writes)" -gt "$before" ] || fail "the journal's commit came without FUA"
  umount mounted
  detach "$device"
  stop_server
}

outside() {
  e2fsck -f -n image
  debugfs -R "dump /data found" image
  cmp found data
}
