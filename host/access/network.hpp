// Addresses of clients, and the networks that they are in. (RFC 4632, RFC 4291)
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace ashlar::host {

// An IPv4 address that is written within an IPv6 one (RFC 4291, 2.5.5.2) is the IPv4 address.
struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // IPv4: the first four, the rest is 0
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// None: `text` is no numeric address.
std::optional<IpAddress> parse_ip_address(const std::string& text);

struct Network {
  IpAddress address;  // bits behind the prefix are 0
  unsigned prefix = 0;
  bool contains(const IpAddress& other) const;
};

// One address, or a network as ADDRESS/PREFIX; bits of the address behind the prefix mean nothing. Throws
// std::invalid_argument, whose text says what is wrong and what to do.
Network parse_network(const std::string& text);

}  // namespace ashlar::host
