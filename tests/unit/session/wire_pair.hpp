// WirePair: a connected pair of sockets, the server's end and the client's. And the client's view of replies. The tests
// of the session are built several times: with ASHLAR_FRAMED what goes over the wire is framed, see FramedSocket, and
// with ASHLAR_OVER_TLS it goes by TLS, see TlsClient and SecuredSocket.
#pragma once
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "framed_socket.hpp"
#include "protocol/codec.hpp"
#include "socket/kernel_socket.hpp"
#ifdef ASHLAR_OVER_TLS
#include "tls_wire.hpp"
#endif

namespace ashlar::host {

using Bytes = std::vector<std::byte>;

// `count` bytes that differ from those of another seed.
inline Bytes pattern(std::size_t count, std::uint32_t seed) {
  Bytes bytes(count);
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::byte& b : bytes) b = static_cast<std::byte>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

inline void append(Bytes& to, std::span<const std::byte> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

class WirePair {
 public:
#ifdef ASHLAR_FRAMED
  static constexpr bool is_framed = true;
  using ServerSocket = FramedSocket;
#else
  static constexpr bool is_framed = false;
  using ServerSocket = KernelSocket;
#endif

  WirePair() {
    std::signal(SIGPIPE, SIG_IGN);  // as the server does
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) throw std::system_error(errno, std::generic_category());
    server_ = fds[0];
    client_ = fds[1];
  }
  ~WirePair() {
    hang_up();
    if (!socket_made_) ::close(server_);
  }
  WirePair(const WirePair&) = delete;
  WirePair& operator=(const WirePair&) = delete;

  int server() const { return server_; }
  int client() const { return client_; }

  // The server's end, which is the caller's from then on.
  int release_server() {
    socket_made_ = true;
    return server_;
  }
  // The server's end as a session has it. Once; what is limited before is limited anew by it.
  std::unique_ptr<Socket> make_socket() {
    socket_made_ = true;
#ifdef ASHLAR_OVER_TLS
    return std::make_unique<SecuredSocket>(server_, tls_.emplace(client_));
#else
    return std::make_unique<ServerSocket>(server_);
#endif
  }
  // The client goes away.
  void hang_up() {
    if (client_ >= 0) ::close(client_);
    client_ = -1;
  }
  void limit_send_buffer(int bytes) { ::setsockopt(server_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); }
  void limit_waiting(int option, int milliseconds) { limit_waiting(server_, option, milliseconds); }
  // So that a test whose reply does not come fails.
  void limit_client_waiting(int milliseconds) {
    limit_waiting(client_, SO_RCVTIMEO, milliseconds);
#ifdef ASHLAR_OVER_TLS
    if (tls_) tls_->limit_waiting(milliseconds);
#endif
  }

  // By the client. False: the server took it no more.
  bool send(std::span<const std::byte> bytes) {
    if (!is_framed) return send_raw(bytes);
    Bytes wire;
    while (!bytes.empty()) bytes = bytes.subspan(put_frame(wire, bytes));
    return send_raw(wire);
  }
  // Exactly `count` bytes, by the client; fewer when the stream ends. At most `portion` at a time.
  Bytes receive(std::size_t count, std::size_t portion = SIZE_MAX) {
    if (!is_framed) return receive_raw(count, portion);
    while (plain_.size() < count) {
      const Bytes some = receive_some(std::min<std::size_t>(portion, 64 * 1024));
      if (some.empty()) break;
      append(wire_, some);
      take_frames(wire_, plain_);
    }
    const std::size_t n = std::min(count, plain_.size());
    const Bytes taken(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(n));
    plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(n));
    return taken;
  }
  // Whether the server has ended the stream and everything was read.
  bool at_end() { return receive(1).empty(); }

 private:
  bool send_raw(std::span<const std::byte> bytes) {
#ifdef ASHLAR_OVER_TLS
    if (tls_) return tls_->send(bytes);
#endif
    while (!bytes.empty()) {
      const ssize_t n = ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Empty: the stream has ended.
  Bytes receive_some(std::size_t most) {
    Bytes bytes(most);
    ssize_t n;
    do n = ::recv(client_, bytes.data(), bytes.size(), 0);
    while (n < 0 && errno == EINTR);
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }
  Bytes receive_raw(std::size_t count, std::size_t portion) {
    Bytes bytes(count);
    std::size_t have = 0;
#ifdef ASHLAR_OVER_TLS
    while (tls_ && have < count) {
      const std::size_t n = tls_->receive(std::span(bytes).subspan(have, std::min(count - have, portion)));
      if (n == 0) break;
      have += n;
    }
    if (tls_) count = have;
#endif
    while (have < count) {
      const ssize_t n = ::recv(client_, bytes.data() + have, std::min(count - have, portion), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      have += static_cast<std::size_t>(n);
    }
    bytes.resize(have);
    return bytes;
  }
  static void limit_waiting(int fd, int option, int milliseconds) {
    const timeval time{.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    ::setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
  }

  int server_ = -1, client_ = -1;
  bool socket_made_ = false;
#ifdef ASHLAR_OVER_TLS
  std::optional<TlsClient> tls_;  // once the server's end is made
#endif
  Bytes wire_, plain_;  // framed: received by the client, not yet a whole frame; not yet asked for
};

// One chunk of a reply; a simple reply is one without payload.
struct Chunk {
  bool structured = false;
  std::uint16_t flags = 0, type = 0;
  std::uint64_t cookie = 0;
  std::uint32_t error = 0;
  Bytes payload;

  bool done() const { return !structured || (flags & protocol::reply_flag_done) != 0; }
};

// Takes the next chunk's header and payload from `take`, a callable Bytes(std::size_t).
template <class Take>
Chunk take_chunk(Take take) {
  using namespace protocol;
  Chunk c;
  const Bytes head = take(simple_reply_size);
  if (head.size() != simple_reply_size) throw std::runtime_error("no reply: the stream has ended");
  c.cookie = get64(head.data() + 8);
  if (get32(head.data()) == simple_reply_magic) {
    c.error = get32(head.data() + 4);
    return c;
  }
  if (get32(head.data()) != structured_reply_magic) throw std::runtime_error("wrong magic of a reply");
  c.structured = true;
  c.flags = get16(head.data() + 4);
  c.type = get16(head.data() + 6);
  const Bytes length = take(chunk_header_size - simple_reply_size);
  c.payload = take(get32(length.data()));
  if (c.type == reply_type_error) c.error = get32(c.payload.data());
  return c;
}

}  // namespace ashlar::host
