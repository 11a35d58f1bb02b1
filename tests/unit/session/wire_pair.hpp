// WirePair: a connected pair of sockets, the server's end and the client's. And the client's view of replies.
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
#include <span>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "protocol/codec.hpp"
#include "wire.hpp"

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
  WirePair() {
    std::signal(SIGPIPE, SIG_IGN);  // as the server does
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) throw std::system_error(errno, std::generic_category());
    server_ = fds[0];
    client_ = fds[1];
    wire_ = make_wire(client_);
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
    return wire_->make_socket(server_);
  }
  // See Wire.
  bool sends_files() const { return wire_->sends_files(); }
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
    wire_->limit_waiting(milliseconds);
  }

  // By the client. False: the server took it no more.
  bool send(std::span<const std::byte> bytes) { return wire_->send(bytes); }
  // See Wire.
  Bytes new_keys(int times) { return wire_->new_keys(times); }
  // Exactly `count` bytes, by the client; fewer when the stream ends. At most `portion` at a time.
  Bytes receive(std::size_t count, std::size_t portion = SIZE_MAX) {
    Bytes bytes(count);
    std::size_t have = 0;
    while (have < count) {
      const std::size_t n = wire_->receive(std::span(bytes).subspan(have, std::min(count - have, portion)));
      if (n == 0) break;
      have += n;
    }
    bytes.resize(have);
    return bytes;
  }
  // Whether the server has ended the stream and everything was read.
  bool at_end() { return receive(1).empty(); }

 private:
  static void limit_waiting(int fd, int option, int milliseconds) {
    const timeval time{.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    ::setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
  }

  int server_ = -1, client_ = -1;
  bool socket_made_ = false;
  std::unique_ptr<Wire> wire_;
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
