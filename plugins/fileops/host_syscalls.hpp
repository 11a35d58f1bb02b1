// HostSyscalls: system calls of which reads and writes, unless they are told not to wait, are the host's to make, so
// that the thread runs other requests meanwhile.
#pragma once
#include <sys/uio.h>
#include <ashlar/blocking.hpp>

#include "syscalls.hpp"

namespace ashlar::fileops {

class HostSyscalls final : public Syscalls {
 public:
  explicit HostSyscalls(Blocking blocking) : blocking_(blocking) {}

  ssize_t read(int fd, void* into, std::size_t length, std::uint64_t offset, int flags) override {
    if ((flags & RWF_NOWAIT) != 0) return Syscalls::read(fd, into, length, offset, flags);
    return blocking_.read(fd, {static_cast<std::byte*>(into), length}, offset, flags);
  }
  ssize_t write(int fd, const void* from, std::size_t length, std::uint64_t offset, int flags) override {
    if ((flags & RWF_NOWAIT) != 0) return Syscalls::write(fd, from, length, offset, flags);
    return blocking_.write(fd, {static_cast<const std::byte*>(from), length}, offset, flags);
  }

 private:
  const Blocking blocking_;
};

}  // namespace ashlar::fileops
