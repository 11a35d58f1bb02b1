#include "syscalls.hpp"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <limits>

namespace ashlar::fileops {
namespace {

template <class Result>
Result or_errno(Result result) {
  return result < 0 ? static_cast<Result>(-errno) : result;
}

off_t off(std::uint64_t value) { return static_cast<off_t>(value); }

std::int64_t device_size(int fd) {
  std::uint64_t bytes = 0;
  return ::ioctl(fd, BLKGETSIZE64, &bytes) != 0 ? -errno : static_cast<std::int64_t>(bytes);
}

}  // namespace

ssize_t Syscalls::read(int fd, void* into, std::size_t length, std::uint64_t offset, int flags) {
  if (flags == 0) return or_errno(::pread(fd, into, length, off(offset)));
  const iovec part{into, length};
  return or_errno(::preadv2(fd, &part, 1, off(offset), flags));
}

ssize_t Syscalls::write(int fd, const void* from, std::size_t length, std::uint64_t offset, int flags) {
  if (flags == 0) return or_errno(::pwrite(fd, from, length, off(offset)));
  const iovec part{const_cast<void*>(from), length};
  return or_errno(::pwritev2(fd, &part, 1, off(offset), flags));
}

int Syscalls::fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) {
  return or_errno(::fallocate(fd, mode, off(offset), off(length)));
}

int Syscalls::blkzeroout(int fd, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t range[2] = {offset, length};
  return or_errno(::ioctl(fd, BLKZEROOUT, range));
}

int Syscalls::blkdiscard(int fd, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t range[2] = {offset, length};
  return or_errno(::ioctl(fd, BLKDISCARD, range));
}

int Syscalls::fdatasync(int fd) { return or_errno(::fdatasync(fd)); }

int Syscalls::open_again(int fd) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return or_errno(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

int Syscalls::lost_data(int fd) {
  constexpr off_t behind_all = std::numeric_limits<off_t>::max() - 4096;
  static_assert(sizeof behind_all == 8);
  return or_errno(::sync_file_range(fd, behind_all, 1, SYNC_FILE_RANGE_WAIT_BEFORE));
}

std::int64_t Syscalls::seek(int fd, std::uint64_t offset, int whence) {
  return or_errno(static_cast<std::int64_t>(::lseek(fd, off(offset), whence)));
}

int Syscalls::will_need(int fd, std::uint64_t offset, std::uint64_t length) {
  return -::posix_fadvise(fd, off(offset), off(length), POSIX_FADV_WILLNEED);
}

std::int64_t Syscalls::size(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return -errno;
  return S_ISBLK(status.st_mode) ? device_size(fd) : status.st_size;
}

std::int64_t Syscalls::size_known(int fd) {
  struct statx status;
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &status) != 0) return -errno;
  return S_ISBLK(status.stx_mode) ? device_size(fd) : static_cast<std::int64_t>(status.stx_size);
}

std::int64_t Syscalls::allocated(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return -errno;
  return std::int64_t{status.st_blocks} * 512;
}

std::int64_t Syscalls::cached_pages(int fd, std::uint64_t offset, std::uint64_t length) {
#ifdef SYS_cachestat
  constexpr long number = SYS_cachestat;
#else
  constexpr long number = 451;  // the same on all architectures
#endif
  const std::uint64_t range[2] = {offset, length};
  std::uint64_t pages[5] = {};  // cached, dirty, under writeback, evicted, recently evicted
  const long result = ::syscall(number, fd, range, pages, 0u);
  return result < 0 ? -errno : static_cast<std::int64_t>(pages[0]);
}

std::int64_t Syscalls::now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace ashlar::fileops
