#include "spawn/command_variables.hpp"

#include <string_view>

namespace ashlar::host {
namespace {

constexpr std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

// Behind the scheme, of the addresses that begin with it, the first; empty: there is none. An abstract socket has no
// path, and no URI can name it.
std::string first_of(const std::vector<std::string>& addresses, const std::string& scheme) {
  for (const std::string& address : addresses)
    if (address.starts_with(scheme) && !address.starts_with("unix:@")) return address.substr(scheme.size());
  return {};
}

// HOST:PORT as a client of this machine reaches it, also where the server listens at all addresses.
std::string reachable(const std::string& tcp) {
  for (const std::string_view all : {"0.0.0.0:", "[::]:"})
    if (tcp.starts_with(all)) return "localhost:" + tcp.substr(all.size());
  return tcp;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (unreserved.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

Variables command_variables(const std::vector<std::string>& addresses, bool by_tls) {
  const std::string path = first_of(addresses, "unix:"), tcp = first_of(addresses, "tcp:");
  const std::string scheme = by_tls ? "nbds" : "nbd";
  std::string uri;
  if (!path.empty()) uri = scheme + "+unix:///?socket=" + percent_encoded(path);
  else if (!tcp.empty()) uri = scheme + "://" + reachable(tcp) + "/";
  return {{"uri", uri}, {"unixsocket", path}, {"port", tcp.substr(tcp.rfind(':') + 1)}};
}

}  // namespace ashlar::host
