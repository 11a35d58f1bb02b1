// HostSyscalls: system calls of which those that change a disk or read it, unless they are told not to wait, are the
// host's to make, so that the thread runs other requests meanwhile.
#pragma once
#include <sys/uio.h>
#include <ashlar/blocking.hpp>

#include "syscalls.hpp"

namespace ashlar::fileops {

class HostSyscalls final : public Syscalls {
 public:
  explicit HostSyscalls(Blocking blocking) : blocking_(blocking) {}

  Syscalls& here() override { return here_; }
  ssize_t read(int fd, void* into, std::size_t length, std::uint64_t offset, int flags) override {
    if ((flags & RWF_NOWAIT) != 0) return Syscalls::read(fd, into, length, offset, flags);
    return blocking_.read(fd, {static_cast<std::byte*>(into), length}, offset, flags);
  }
  ssize_t write(int fd, const void* from, std::size_t length, std::uint64_t offset, int flags) override {
    if ((flags & RWF_NOWAIT) != 0) return Syscalls::write(fd, from, length, offset, flags);
    return blocking_.write(fd, {static_cast<const std::byte*>(from), length}, offset, flags);
  }
  int fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) override {
    return elsewhere([&] { return Syscalls::fallocate(fd, mode, offset, length); });
  }
  int blkzeroout(int fd, std::uint64_t offset, std::uint64_t length) override {
    return elsewhere([&] { return Syscalls::blkzeroout(fd, offset, length); });
  }
  int blkdiscard(int fd, std::uint64_t offset, std::uint64_t length) override {
    return elsewhere([&] { return Syscalls::blkdiscard(fd, offset, length); });
  }
  int fdatasync(int fd) override {
    return elsewhere([&] { return Syscalls::fdatasync(fd); });
  }

 private:
  template <class Call>
  int elsewhere(Call call) {
    int result = 0;
    blocking_.run([&] { result = call(); });
    return result;
  }

  const Blocking blocking_;
  Syscalls here_;
};

}  // namespace ashlar::fileops
