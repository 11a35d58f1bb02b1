// Wire: what the bytes of a session become on their way. The tests of the session are linked with plain_wire.cpp, with
// framed_wire.cpp and with tls_wire.cpp, a program each, and so run over each.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "socket/socket.hpp"

namespace ashlar::host {

class Wire {
 public:
  virtual ~Wire() = default;

  // The server's end as a session has it, which owns its descriptor `server`. Once.
  virtual std::unique_ptr<Socket> make_socket(int server) = 0;
  // Whether the server's end has Socket::send_file.
  virtual bool sends_files() const = 0;

  // By the client. False: the server took it no more.
  virtual bool send(std::span<const std::byte> bytes) = 0;
  // Some bytes, by the client; 0: the stream has ended, or nothing has come in time.
  virtual std::size_t receive(std::span<std::byte> into) = 0;
  // How long the client waits, beside SO_RCVTIMEO of its socket.
  virtual void limit_waiting(int /*milliseconds*/) {}
  // What the client sends, as it goes over its descriptor, to change its keys so many times; nothing where it has none.
  virtual std::vector<std::byte> new_keys(int /*times*/) { return {}; }
};

// For a client's end that stays the caller's.
std::unique_ptr<Wire> make_wire(int client);

}  // namespace ashlar::host
