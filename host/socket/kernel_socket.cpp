#include "socket/kernel_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ashlar::host {
namespace {

constexpr timeval waiting{.tv_sec = 0, .tv_usec = std::chrono::microseconds(Socket::patience).count()};
// Large reads gain much from a send buffer that takes them whole. Set for clients of this machine only: it turns off
// the kernel's own choice, which a connection over a network is better served by (tcp(7), SO_SNDBUF).
constexpr int local_send_buffer = 1 << 20;

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

// After `seconds` of silence the kernel asks; as long again it waits for answers, or for what was sent to be
// acknowledged.
void find_dead_peers(int fd, unsigned seconds) {
  constexpr unsigned probes = 3;
  const int between = static_cast<int>(std::max(1u, seconds / probes));
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(seconds));
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, between);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
      static_cast<int>(std::chrono::milliseconds(std::chrono::seconds(2 * seconds)).count()));
}

void set_tcp_options(int fd, const Peer& peer, const KernelSocket::Options& options) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive != 0) find_dead_peers(fd, options.keepalive);
  if (!peer.local && !options.congestion_control.empty())
    ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options.congestion_control.data(),
                 static_cast<socklen_t>(options.congestion_control.size()));
}

// Repeats `call` as long as a signal ends it; its result, or the negative errno number.
template <class Call>
ssize_t result_of(Call call) {
  for (;;) {
    const ssize_t n = call();
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

// Whether a connection may end with `error`; a file may as well.
bool may_be_of_connection(int error) {
  return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == ENETDOWN || error == ECONNABORTED;
}

}  // namespace

KernelSocket::KernelSocket(int fd, const Peer& peer, const Options& options) : fd_(fd) {
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &waiting, sizeof waiting);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &waiting, sizeof waiting);
  if (peer.local) set(fd_, SOL_SOCKET, SO_SNDBUF, local_send_buffer);
  if (peer.transport == Peer::Transport::tcp) set_tcp_options(fd_, peer, options);
}

KernelSocket::KernelSocket(int fd) : KernelSocket(fd, Peer{}, Options{}) {}

KernelSocket::~KernelSocket() { ::close(fd_); }

ssize_t KernelSocket::receive(std::span<std::byte> into, Wait wait) {
  return result_of([&] { return ::recv(fd_, into.data(), into.size(), wait == Wait::yes ? 0 : MSG_DONTWAIT); });
}

bool KernelSocket::has_input() {
  std::byte one;
  return result_of([&] { return ::recv(fd_, &one, 1, MSG_PEEK | MSG_DONTWAIT); }) != -EAGAIN;
}

bool KernelSocket::wait_for_input() {
  pollfd watched{.fd = fd_, .events = POLLIN | POLLRDHUP, .revents = 0};
  return ::poll(&watched, 1, static_cast<int>(patience.count())) > 0;
}

bool KernelSocket::is_gone() {
  pollfd watched{.fd = fd_, .events = 0, .revents = 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & (POLLHUP | POLLERR)) != 0;
}

ssize_t KernelSocket::send(std::span<const iovec> parts, Wait wait, bool more) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg(2) only reads it
  message.msg_iovlen = parts.size();
  const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0) | (wait == Wait::yes ? 0 : MSG_DONTWAIT);
  return result_of([&] { return ::sendmsg(fd_, &message, flags); });
}

// sendfile(2) does not tell which of its two descriptors an error is of.
Socket::FileSent KernelSocket::send_file(int fd, std::uint64_t offset, std::size_t length) {
  auto at = static_cast<off_t>(offset);
  const ssize_t n = result_of([&] { return ::sendfile(fd_, fd, &at, std::min(length, piece)); });
  return {.bytes = n, .is_of_connection = n < 0 && may_be_of_connection(static_cast<int>(-n)) && is_gone()};
}

void KernelSocket::abort() { ::shutdown(fd_, SHUT_RDWR); }

void KernelSocket::finish() noexcept {
  if (::shutdown(fd_, SHUT_WR) != 0) return;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::array<std::byte, 64 * 1024> unread;
  while (receive(unread, Wait::yes) > 0 && std::chrono::steady_clock::now() < end) continue;
}

}  // namespace ashlar::host
