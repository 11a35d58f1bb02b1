# Files on ext4, over a unix socket.
. "$TESTS/files.sh"

make_file_system() { mkfs.ext4 -q "$1"; }
check_file_system() { e2fsck -f -n "$1"; }

inside() {
  truncate -s 96M image
  files_are_kept unix
}

outside() {
  check_file_system image
  mkdir found
  debugfs -R "rdump /files /moved /changed found" image
  all_files_are_in found
}
