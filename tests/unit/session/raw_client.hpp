// The client's end of a connection whose bytes go as they are. A descriptor that stays the caller's.
#pragma once
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <span>

namespace ashlar::host {

inline bool send_raw(int client, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// Some bytes; 0: the stream has ended, or nothing has come in time.
inline std::size_t receive_raw(int client, std::span<std::byte> into) {
  ssize_t n;
  do n = ::recv(client, into.data(), into.size(), 0);
  while (n < 0 && errno == EINTR);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

}  // namespace ashlar::host
