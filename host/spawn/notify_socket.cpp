#include "spawn/notify_socket.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "config/text.hpp"

namespace ashlar::host {

NotifySocket::NotifySocket(const std::string& address) {
  if (address.empty()) return;
  if ((address[0] != '/' && address[0] != '@') || address.size() == 1)
    throw std::invalid_argument("NOTIFY_SOCKET: " + in_quotes(address) +
                                " is neither an absolute path nor @ and the name of an abstract socket");
  if (address.size() >= sizeof address_.sun_path)
    throw std::invalid_argument("NOTIFY_SOCKET: " + in_quotes(address) + " is longer than the kernel takes");
  address_.sun_family = AF_UNIX;
  std::memcpy(address_.sun_path, address.data(), address.size());
  if (address[0] == '@') address_.sun_path[0] = '\0';
  size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (address[0] == '/' ? 1 : 0));
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "NOTIFY_SOCKET: socket");
}

NotifySocket::~NotifySocket() {
  if (fd_ >= 0) ::close(fd_);
}

int NotifySocket::send(std::string_view text) const noexcept {
  if (fd_ < 0) return 0;
  for (;;) {
    const auto* const to = reinterpret_cast<const sockaddr*>(&address_);
    if (::sendto(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to, size_) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace ashlar::host
