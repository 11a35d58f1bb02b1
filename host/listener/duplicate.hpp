// A second descriptor of a client's connection, for who needs no more of its Socket.
#pragma once
#include <fcntl.h>

#include <cerrno>
#include <system_error>

#include "socket/descriptor.hpp"
#include "socket/socket.hpp"

namespace ashlar::host {

// Throws std::system_error.
inline Descriptor duplicate_of(const Socket& socket) {
  const int fd = ::fcntl(socket.watched_descriptor(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category());
  return Descriptor(fd);
}

}  // namespace ashlar::host
