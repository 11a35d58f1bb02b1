// Fd: owns a file descriptor.
#pragma once
#include <unistd.h>

#include <utility>

namespace ashlar::fileops {

class Fd {
 public:
  Fd() = default;
  // `fd`: a descriptor, or a negative number for none.
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace ashlar::fileops
