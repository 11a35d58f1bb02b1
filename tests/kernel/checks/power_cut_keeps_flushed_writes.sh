# The guest ends as by a power cut while blocks are written: each that was acknowledged, after FUA or a flush, is in the image. Must
# be the last check. The kernel is told not to write anything back by itself, so that only what was flushed is on the disk.
#
# After a write with O_DSYNC to a device itself the kernel sends a flush, too; after one to a file on ext4 that has its blocks already,
# it trusts FUA alone.

acknowledged() { [ "$(wc -l <"$WORK/share/$1.acknowledged")" -ge 100 ]; }

inside() {
  echo 0 >/proc/sys/vm/dirty_writeback_centisecs
  for how in fua flush; do
    dd if=/dev/zero of="$how.image" bs=1M count=32 status=none
    : >"$WORK/share/$how.acknowledged"
  done
  serve fua.image flush.image
  attach unix fua.image "$device" -C 4
  attach unix flush.image "$second_device" -C 4
  mkfs.ext4 -q "$device"
  mkdir mounted
  mount "$device" mounted
  dd if=/dev/zero of=mounted/blocks bs=1M count=16 status=none
  sync
  "$TESTS/blocks.py" write mounted/blocks 0 4096 fua "$WORK/share/fua.acknowledged" &
  "$TESTS/blocks.py" write "$second_device" 0 8192 flush "$WORK/share/flush.acknowledged" &
  wait_until acknowledged fua
  wait_until acknowledged flush
  cut_power
}

outside() {
  "$TESTS/blocks.py" verify flush.image "$WORK/share/flush.acknowledged"
  e2fsck -p fua.image
  debugfs -R "dump /blocks blocks" fua.image
  "$TESTS/blocks.py" verify blocks "$WORK/share/fua.acknowledged"
}
