# Files through the kernel's client and back, for checks on different file systems. $WORK/files are copies of the host's, made by
# run.py.

# files_are_kept TRANSPORT: on what make_file_system makes, through four connections; check_file_system looks at the image.
files_are_kept() {
  serve image
  attach "$1" image "$device" -C 4
  make_file_system "$device"
  mkdir mounted
  mount "$device" mounted
  cp -a "$WORK/files" mounted/files
  # Files with a longer life: made shorter, made longer again, moved, deleted.
  cp -a "$WORK/files/sources" mounted/copied
  mv mounted/copied mounted/moved
  find mounted/moved -name '*.hpp' -delete
  cp "$WORK/files/program" mounted/changed
  truncate -s 77777 mounted/changed
  cat "$WORK/files/program" >>mounted/changed
  umount mounted

  forget_cached
  mount "$device" mounted
  all_files_are_in mounted
  umount mounted
  detach "$device"
  stop_server

  # The kernel's client has no part in this.
  check_file_system image
  mount -o loop,ro image mounted
  all_files_are_in mounted
  umount mounted
}

all_files_are_in() {
  diff -r "$WORK/files" "$1/files"
  diff -r --exclude='*.hpp' "$WORK/files/sources" "$1/moved"
  [ -z "$(find "$1/moved" -name '*.hpp')" ] || fail "deleted files are back"
  (head -c 77777 "$WORK/files/program" && cat "$WORK/files/program") | cmp - "$1/changed"
}
