#include "file_system.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

namespace ashlar::fileops {
namespace {

constexpr unsigned long zfs_type = 0x2fc12fc1;  // not in linux/magic.h

constexpr bool yes = true, no = false;

// Who says yes looks at what is in memory as well as at what has been given a place on the disk.
constexpr FileSystem known[] = {
    // Data that have no place yet are in the extent status tree, which is asked first; of space that was provisioned
    // and not written yet, the page cache is asked. ext2 and ext3 have the same type; ext2's own driver calls all data.
    {EXT4_SUPER_MAGIC, "ext4", yes, yes},
    // Delayed allocations are extents like others; of unwritten extents the page cache is asked.
    {XFS_SUPER_MAGIC, "xfs", yes, yes},
    // The ranges that are dirty or being written are asked for beside the extents on the disk.
    {BTRFS_SUPER_MAGIC, "btrfs", yes, yes},
    // The page cache is the file.
    {TMPFS_MAGIC, "tmpfs", yes, yes},

    // Data just written were told as a hole by releases up to 2.1.13 and 2.2.1 (openzfs#11900, #15526).
    {zfs_type, "zfs", no, no},
    // Asks the file system below, which may be any.
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", no, no},
    // Not looked into.
    {F2FS_SUPER_MAGIC, "f2fs", no, no},
    // The server answers, out of whatever file system it has.
    {NFS_SUPER_MAGIC, "nfs", no, no},
    {CIFS_SUPER_MAGIC, "cifs", no, no},
    {CEPH_SUPER_MAGIC, "ceph", no, no},
    // A program answers.
    {FUSE_SUPER_MAGIC, "fuse", no, no},
};

}  // namespace

FileSystem file_system_of(unsigned long type) {
  for (const FileSystem& one : known)
    if (one.type == type) return one;
  return {.type = type};
}

FileSystem file_system_of_file(int fd) {
  struct statfs status = {};
  if (::fstatfs(fd, &status) != 0) return {};
  return file_system_of(static_cast<unsigned long>(status.f_type));
}

}  // namespace ashlar::fileops
