#include "socket/socket.hpp"

#include <cerrno>
#include <cstring>

namespace ashlar::host {

std::string why_not_received(ssize_t result) {
  const auto error = static_cast<int>(-result);
  if (error == EPROTO) return "what came was no good record of TLS";
  if (error == ENOBUFS) return "asked for answers of TLS, such as to new keys, and took none of them";
  if (error == EBADMSG) return "closed within a record of TLS";
  return std::strerror(error);
}

}  // namespace ashlar::host
