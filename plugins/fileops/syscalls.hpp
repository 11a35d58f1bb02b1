// Syscalls: the seam to the kernel. Everything that fileops does to an opened file or device goes through here, so that
// a test can put a model disk and any error in its place. One virtual call per system call.
#pragma once
#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace ashlar::fileops {

// All calls return what the system call returns, or a negative errno number; they do not retry. [any thread]
class Syscalls {
 public:
  virtual ~Syscalls() = default;

  // The same calls, made by the thread that calls them, for what must not wait.
  virtual Syscalls& here() { return *this; }

  // preadv2(2) and pwritev2(2) with one buffer; `flags`: RWF_*.
  virtual ssize_t read(int fd, void* into, std::size_t length, std::uint64_t offset, int flags);
  virtual ssize_t write(int fd, const void* from, std::size_t length, std::uint64_t offset, int flags);
  // fallocate(2).
  virtual int fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length);
  // ioctl(BLKZEROOUT) and ioctl(BLKDISCARD) (linux/fs.h).
  virtual int blkzeroout(int fd, std::uint64_t offset, std::uint64_t length);
  virtual int blkdiscard(int fd, std::uint64_t offset, std::uint64_t length);
  // fdatasync(2).
  virtual int fdatasync(int fd);
  // Another descriptor of the same file, for reading alone: open(2) of /proc/self/fd.
  virtual int open_again(int fd);
  // sync_file_range(2) of a range in which nothing is, so that it waits for nothing and tells only of data that were
  // lost: 0 or an errno, once for each descriptor.
  virtual int lost_data(int fd);
  // lseek(2) with SEEK_DATA or SEEK_HOLE.
  virtual std::int64_t seek(int fd, std::uint64_t offset, int whence);
  // posix_fadvise(POSIX_FADV_WILLNEED).
  virtual int will_need(int fd, std::uint64_t offset, std::uint64_t length);
  // fstat(2) and, of a block device, ioctl(BLKGETSIZE64): bytes.
  virtual std::int64_t size(int fd);
  // Likewise, but what this machine knows of it, without asking a server: statx(2) with AT_STATX_DONT_SYNC.
  virtual std::int64_t size_known(int fd);
  // fstat(2): bytes allocated to the file (st_blocks).
  virtual std::int64_t allocated(int fd);
  // cachestat(2), Linux 6.5: how many pages of the range are in the page cache.
  virtual std::int64_t cached_pages(int fd, std::uint64_t offset, std::uint64_t length);
  // Nanoseconds since some point in the past: clock_gettime(CLOCK_MONOTONIC).
  virtual std::int64_t now();
};

// linux/falloc.h since 6.17. Not with KEEP_SIZE, which the kernel refuses beside it.
inline constexpr int falloc_write_zeroes = 0x80;

// Runs `call` again as long as it is interrupted by a signal.
template <class Call>
auto retry(Call&& call) {
  constexpr int interrupted = 4;  // EINTR
  for (;;)
    if (const auto result = call(); result != -interrupted) return result;
}

}  // namespace ashlar::fileops
