#include "stream.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#ifdef ASHLAR_BENCH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

namespace ashlar::bench {
namespace {

constexpr std::size_t most_parts = 512;    // per sendmsg(2)
constexpr std::size_t record = 16 * 1024;  // bytes that one record of TLS carries
constexpr int receive_size = 128 * 1024;   // bytes of TLS, per recv(2)

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

int connect_unix(const std::string& path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path) throw std::runtime_error(path + ": too long for a unix socket");
  std::memcpy(to.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail(path);
  return fd;
}

int connect_tcp(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) throw std::runtime_error(address + ": not HOST:PORT");
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = ::getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error(address + ": " + ::gai_strerror(error));
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, found->ai_addr, found->ai_addrlen) != 0) fail(address);
  ::freeaddrinfo(found);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int connect_to(const std::string& address) {
  if (address.starts_with("unix:")) return connect_unix(address.substr(5));
  if (address.starts_with("tcp:")) return connect_tcp(address.substr(4));
  throw std::runtime_error(address + ": neither unix:PATH nor tcp:HOST:PORT");
}

}  // namespace

#ifdef ASHLAR_BENCH_TLS
struct Stream::Tls {
  Tls(int fd, const std::string& folder) : context(::SSL_CTX_new(::TLS_client_method())) {
    const auto check = [&](int well, const char* name) {
      if (well != 1) throw std::runtime_error(folder + "/" + name + ": " + why());
    };
    check(::SSL_CTX_load_verify_locations(context, (folder + "/ca-cert.pem").c_str(), nullptr), "ca-cert.pem");
    check(::SSL_CTX_use_certificate_file(context, (folder + "/client-cert.pem").c_str(), SSL_FILETYPE_PEM),
          "client-cert.pem");
    check(::SSL_CTX_use_PrivateKey_file(context, (folder + "/client-key.pem").c_str(), SSL_FILETYPE_PEM),
          "client-key.pem");
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ssl = ::SSL_new(context);
    // OpenSSL would move everything in a large buffer of its own to the front for each record that it takes.
    received = ::BIO_new(::BIO_f_buffer());
    BIO_set_read_buffer_size(received, receive_size);
    ::SSL_set_bio(ssl, ::BIO_push(received, ::BIO_new_socket(fd, BIO_NOCLOSE)), ::BIO_new_socket(fd, BIO_NOCLOSE));
    ::SSL_set_connect_state(ssl);
  }
  ~Tls() {
    ::SSL_free(ssl);
    ::SSL_CTX_free(context);
  }
  static std::string why() {
    const char* reason = ::ERR_reason_error_string(::ERR_get_error());
    return reason != nullptr ? reason : "TLS has failed";
  }
  // What a call that has not succeeded waits for: POLLIN, POLLOUT; 0: the stream has ended.
  short events(int result) {
    switch (::SSL_get_error(ssl, result)) {
      case SSL_ERROR_WANT_READ: return POLLIN;
      case SSL_ERROR_WANT_WRITE: return POLLOUT;
      case SSL_ERROR_ZERO_RETURN: return 0;
      default: throw std::runtime_error(why());
    }
  }

  // Whether bytes can be received that the socket does not show.
  bool holds_input() const { return ::SSL_has_pending(ssl) != 0 || BIO_pending(received) > 0; }

  SSL_CTX* context;
  SSL* ssl = nullptr;
  BIO* received = nullptr;  // what has come, still encrypted; of `ssl`
};

void Stream::secure(const std::string& folder) {
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  tls_ = std::make_unique<Tls>(fd_, folder);
  for (;;) {
    const int result = ::SSL_do_handshake(tls_->ssl);
    if (result == 1) return;
    wait_for(tls_->events(result));
  }
}

// Short parts are gathered into one record. A record that was begun is tried anew with the same bytes.
ssize_t Stream::send_records(const iovec* parts, std::size_t count) {
  const void* bytes = parts->iov_base;
  std::size_t length = parts->iov_len;
  if (length < record) {
    record_.clear();
    for (std::size_t i = 0; i < count && record_.size() < record; ++i) {
      const auto* from = static_cast<const std::byte*>(parts[i].iov_base);
      record_.insert(record_.end(), from, from + std::min(parts[i].iov_len, record - record_.size()));
    }
    bytes = record_.data();
    length = record_.size();
  }
  std::size_t n = 0;
  const int result = ::SSL_write_ex(tls_->ssl, bytes, length, &n);
  if (result == 1) return static_cast<ssize_t>(n);
  if (tls_->events(result) == 0) throw std::runtime_error("the server closed the connection");
  return -1;
}
#else
struct Stream::Tls {};
void Stream::secure(const std::string&) { throw std::runtime_error("built without TLS"); }
ssize_t Stream::send_records(const iovec*, std::size_t) { return -1; }
#endif

Stream::Stream(const std::string& address) : fd_(connect_to(address)) {}

Stream::~Stream() {
  tls_.reset();
  ::close(fd_);
}

void Stream::wait_for(short events) {
  pollfd watched{fd_, events, 0};
  if (::poll(&watched, 1, -1) < 0 && errno != EINTR) fail("poll");
}

bool Stream::wait_for_either() {
#ifdef ASHLAR_BENCH_TLS
  if (tls_ && tls_->holds_input()) return true;
#endif
  pollfd either{fd_, POLLIN | POLLOUT, 0};
  if (::poll(&either, 1, -1) < 0 && errno != EINTR) fail("poll");
  return (either.revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

ssize_t Stream::send_some(const iovec* parts, std::size_t count) {
  if (tls_) return send_records(parts, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = std::min(most_parts, count);
  const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN) fail("send");
  return n;
}

void Stream::send_all(const void* bytes, std::size_t length) {
  for (auto* from = static_cast<const std::byte*>(bytes); length != 0;) {
    const iovec part{const_cast<std::byte*>(from), length};
    const ssize_t n = send_some(&part, 1);
    if (n < 0) {
      wait_for(POLLOUT);
      continue;
    }
    from += n;
    length -= static_cast<std::size_t>(n);
  }
}

std::size_t Stream::receive_some(void* bytes, std::size_t room) {
#ifdef ASHLAR_BENCH_TLS
  std::size_t have = 0;
  while (tls_) {
    std::size_t n = 0;
    const int result = ::SSL_read_ex(tls_->ssl, static_cast<std::byte*>(bytes) + have, room - have, &n);
    have += result == 1 ? n : 0;
    if (result == 1 && have < room) continue;
    if (have != 0) return have;
    const short events = tls_->events(result);
    if (events == 0) return 0;
    wait_for(events);
  }
#endif
  const ssize_t n = ::recv(fd_, bytes, room, 0);
  if (n < 0) fail("recv");
  return static_cast<std::size_t>(n);
}

void Stream::receive_all(void* bytes, std::size_t length) {
  for (auto* to = static_cast<std::byte*>(bytes); length != 0;) {
    const std::size_t n = receive_some(to, length);
    if (n == 0) throw std::runtime_error("the server closed the connection");
    to += n;
    length -= n;
  }
}

}  // namespace ashlar::bench
