#include "dial.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace {

constexpr std::chrono::milliseconds between_looks{100}, for_the_backlog{10};

std::string error_text(int error) { return std::generic_category().message(error); }

class Socket {
 public:
  explicit Socket(int family) : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (fd_ < 0) throw Unreachable("no socket can be made: " + error_text(errno));
  }
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Returns an errno number, 0: connected. That of a unix socket whose server has many waiting is tried again.
int connect_to(int fd, const sockaddr* address, socklen_t length, const Patience& patience) {
  while (::connect(fd, address, length) != 0) {
    if (errno == EAGAIN) {
      patience.wait(-1, 0, for_the_backlog);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR) return errno;
    while (patience.wait(fd, POLLOUT) == 0) continue;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }
  return 0;
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

// What the C library looks up in a thread of its own; it may be left behind there, with all of this.
struct Lookup {
  std::string host, port;
  addrinfo hints{};
  gaicb one{};

  Lookup(std::string of_host, std::string of_port) : host(std::move(of_host)), port(std::move(of_port)) {
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    one.ar_name = host.c_str();
    one.ar_service = port.c_str();
    one.ar_request = &hints;
  }
};

// Ends a look-up that may still run: its memory is left to it, where the library cannot be held off.
struct LetGo {
  void operator()(Lookup* lookup) const {
    const int state = ::gai_error(&lookup->one);
    if (state == EAI_INPROGRESS && ::gai_cancel(&lookup->one) == EAI_NOTCANCELED) return;
    delete lookup;
  }
};

[[noreturn]] void not_found(const Uri& uri, int error) {
  throw Unreachable("the name " + uri.host + " cannot be looked up: " + ::gai_strerror(error));
}

Addresses look_up(const Uri& uri, const Patience& patience) {
  std::unique_ptr<Lookup, LetGo> lookup(new Lookup(uri.host, uri.port));
  lookup->hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(uri.host.c_str(), uri.port.c_str(), &lookup->hints, &found) == 0) return {found, &::freeaddrinfo};
  lookup->hints.ai_flags = AI_NUMERICSERV;
  gaicb* list[] = {&lookup->one};
  if (const int error = ::getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr); error != 0) not_found(uri, error);
  int state = EAI_INPROGRESS;
  while ((state = ::gai_error(&lookup->one)) == EAI_INPROGRESS) {
    patience.wait(-1, 0, std::chrono::milliseconds(0));
    const timespec pause{0, std::chrono::nanoseconds(between_looks).count()};
    ::gai_suspend(list, 1, &pause);
  }
  if (state != 0) not_found(uri, state);
  return {lookup->one.ar_result, &::freeaddrinfo};
}

void prepare(int fd, std::chrono::milliseconds timeout) {
  const int on = 1;
  const auto milliseconds = static_cast<unsigned>(timeout.count());
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

}  // namespace

int dial_unix(const std::string& path, const Patience& patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Unreachable("the path " + path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Socket socket(AF_UNIX);
  const int error = connect_to(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, patience);
  if (error != 0) throw Unreachable(error_text(error));
  return socket.release();
}

int dial_tcp(const Uri& uri, std::chrono::milliseconds timeout, const Patience& patience) {
  const Addresses addresses = look_up(uri, patience);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* one = addresses.get(); one != nullptr; one = one->ai_next) {
    Socket socket(one->ai_family);
    prepare(socket.get(), timeout);
    error = connect_to(socket.get(), one->ai_addr, one->ai_addrlen, patience);
    if (error == 0) return socket.release();
  }
  throw Unreachable(error_text(error));
}
