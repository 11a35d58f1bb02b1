#include "call.hpp"

#include <linux/falloc.h>

#include <cerrno>

namespace ashlar::fileops {
namespace {

constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

}  // namespace

// fallocate(2) with mode 0 is for files alone: kernels before 2023 drop a device's cached pages whatever the mode, even
// when they refuse it. Without KEEP_SIZE, as not every file system takes it (NFS refuses it beside ZERO_RANGE and mode
// 0) and the range lies within the size.
int call(Syscalls& syscalls, int fd, Method method, Range range) {
  const auto fallocate = [&](int mode) {
    return retry([&] { return syscalls.fallocate(fd, mode, range.offset, range.length); });
  };
  switch (method) {
    case Method::punch_hole: return fallocate(punch);
    case Method::zero_range: return fallocate(FALLOC_FL_ZERO_RANGE);
    case Method::write_zeroes: return fallocate(falloc_write_zeroes);
    case Method::punch_and_allocate: {
      const int punched = fallocate(punch);
      return punched != 0 ? punched : fallocate(0);
    }
    case Method::blkzeroout: return retry([&] { return syscalls.blkzeroout(fd, range.offset, range.length); });
    case Method::blkdiscard: return retry([&] { return syscalls.blkdiscard(fd, range.offset, range.length); });
  }
  return -ENOSYS;
}

}  // namespace ashlar::fileops
