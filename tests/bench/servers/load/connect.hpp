// connect_to, shake_hands: from an address to a connection in transmission.
#pragma once
#include <cstdint>
#include <string>

namespace ashlar::bench {

// Connects to unix:PATH or tcp:HOST:PORT. Throws std::runtime_error.
int connect_to(const std::string& address);

// The client's side of the handshake; the size of the export in bytes. A server that knows no structured replies goes
// on with simple ones. Throws std::runtime_error.
std::uint64_t shake_hands(int fd, const std::string& export_name, bool structured);

// All or nothing. Throw std::runtime_error.
void send_all(int fd, const void* bytes, std::size_t length);
void receive_all(int fd, void* bytes, std::size_t length);

}  // namespace ashlar::bench
