# What a file system has deleted and trimmed is freed in the image, and only that.

# fstrim_frees TYPE DEVICE
fstrim_frees() {
  truncate -s 320M "$1.image"
  serve "$1.image"
  attach unix "$1.image" "$2" -C 2
  "mkfs.$1" -q "$2"
  mount "$2" mounted
  seq 1 1000000 >mounted/kept
  seq 1 10000000 | head -c 40M >mounted/deleted
  sync
  allocated "$1.image" >"$1.full"
  rm mounted/deleted
  # The blocks of a deleted file can be trimmed only when its deletion is in the journal.
  sync
  fstrim -v mounted
  umount mounted
  detach "$2"
  stop_server
  [ "$(logged ' trim .*result=ok')" -gt 0 ] || fail "no trim came"
  is_freed "$1"
}

# Most of the 40 MiB; the file system's own blocks may have grown meanwhile.
is_freed() {
  full=$(cat "$1.full")
  now=$(allocated "$1.image")
  [ $((full - now)) -ge 32768 ] || fail "40 MiB on $1 were trimmed, and of $full KiB $now KiB are still allocated"
}

inside() {
  mkdir mounted
  fstrim_frees ext4 "$device"
  fstrim_frees xfs "$second_device"
}

outside() {
  is_freed ext4
  is_freed xfs
  e2fsck -f -n ext4.image
  xfs_repair -n xfs.image
  debugfs -R "dump /kept kept" ext4.image
  seq 1 1000000 | cmp - kept
}
