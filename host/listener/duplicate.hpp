// A second descriptor of a client's connection, for who needs no more of its Socket.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "socket/socket.hpp"

namespace ashlar::host {

// Closes what it has, unless it was released.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  void release() { fd_ = -1; }

 private:
  int fd_;
};

// Throws std::system_error.
inline Descriptor duplicate_of(const Socket& socket) {
  const int fd = ::fcntl(socket.watched_descriptor(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category());
  return Descriptor(fd);
}

}  // namespace ashlar::host
