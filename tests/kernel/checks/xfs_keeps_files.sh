# Files on xfs, over tcp.
. "$TESTS/files.sh"

make_file_system() { mkfs.xfs -q "$1"; }
check_file_system() { xfs_repair -n "$1"; }

inside() {
  truncate -s 320M image
  files_are_kept tcp
}

outside() {
  check_file_system image
}
