// ColdDisk: a disk whose data are not in memory, but to be fetched from a file.
#pragma once
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "fake_disk.hpp"

namespace ashlar::host {

// Whether this machine lets us have io_uring; where not, workers read what is on the disk.
inline bool has_io_uring() {
  io_uring_params params{};
  const long fd = ::syscall(SYS_io_uring_setup, 1, &params);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return fd >= 0;
}

class ColdDisk {
 public:
  // `size`: bytes of the disk that the file has.
  explicit ColdDisk(std::uint64_t size, std::size_t of = 1 << 20)
      : disk(of), file_(::memfd_create("cold", MFD_CLOEXEC)) {
    const Bytes contents = disk.contents(0, size);
    if (::write(file_, contents.data(), size) != static_cast<ssize_t>(size))
      throw std::runtime_error("cannot fill the file");
    disk.plugin.geometry.flags = ASHLAR_NOWAIT | ASHLAR_MAY_LEND | ASHLAR_MAY_LEND_COLD;
    disk.plugin.process = [this](ashlar_io& io, const ashlar_open&) {
      if (io.op != ASHLAR_OP_READ) return disk.serve(io);
      if ((io.flags & ASHLAR_MAY_LEND_COLD) == 0) return ++repeated, disk.serve(io);
      io.lent_fd = file_;
      io.lent_offset = io.offset;
      io.lent_cold = lent_cold;
      return 0;
    };
  }
  ~ColdDisk() { ::close(file_); }
  ColdDisk(const ColdDisk&) = delete;
  ColdDisk& operator=(const ColdDisk&) = delete;

  FakeDisk disk;
  bool lent_cold = true;
  std::atomic<int> repeated{0};  // reads that were not, or not only, answered by lending

 private:
  const int file_;
};

}  // namespace ashlar::host
