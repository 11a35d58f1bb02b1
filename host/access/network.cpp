#include "access/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string_view>

#include <ashlar/rules/text.hpp>

namespace ashlar::host {
namespace {

constexpr unsigned v4_bits = 32, v6_bits = 128;
constexpr unsigned mapped_bits = 96;  // of ::ffff:0:0/96, where the IPv4 addresses are
constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(const IpAddress& address) {
  return address.v6 && std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.bytes.begin());
}

IpAddress unmapped(const IpAddress& address) {
  IpAddress v4;
  std::copy(address.bytes.begin() + mapped_prefix.size(), address.bytes.end(), v4.bytes.begin());
  return v4;
}

std::optional<IpAddress> parse_as_written(const std::string& text) {
  IpAddress address;
  if (text.find('\0') != std::string::npos) return std::nullopt;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) != 1) return std::nullopt;
  address.v6 = true;
  return address;
}

// The mask's byte at `index` of a prefix.
std::uint8_t mask_byte(unsigned prefix, std::size_t index) {
  const std::size_t before = 8 * index;
  if (prefix >= before + 8) return 0xff;
  if (prefix <= before) return 0;
  return static_cast<std::uint8_t>(0xff << (8 - (prefix - before)));
}

unsigned parse_prefix(std::string_view text, unsigned most) {
  unsigned prefix = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, prefix);
  if (error == std::errc{} && rest == end && prefix <= most) return prefix;
  throw std::invalid_argument(rules::in_quotes(text) + " is not the length of a prefix; give 0 to " +
                              std::to_string(most));
}

}  // namespace

std::optional<IpAddress> parse_ip_address(const std::string& text) {
  const auto address = parse_as_written(text);
  return address && is_mapped(*address) ? unmapped(*address) : address;
}

bool Network::contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  for (std::size_t i = 0; i < other.bytes.size(); ++i)
    if ((other.bytes[i] & mask_byte(prefix, i)) != address.bytes[i]) return false;
  return true;
}

Network parse_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_as_written(text.substr(0, slash));
  if (!address)
    throw std::invalid_argument(rules::in_quotes(text) +
                                R"( is no address; write one such as "10.0.0.7", "10.0.0.0/8" or "2001:db8::/32")");
  Network network{*address, address->v6 ? v6_bits : v4_bits};
  if (slash != std::string::npos) network.prefix = parse_prefix(text.substr(slash + 1), network.prefix);
  if (is_mapped(network.address) && network.prefix >= mapped_bits)
    network = {unmapped(network.address), network.prefix - mapped_bits};
  for (std::size_t i = 0; i < network.address.bytes.size(); ++i)
    network.address.bytes[i] &= mask_byte(network.prefix, i);
  return network;
}

}  // namespace ashlar::host
