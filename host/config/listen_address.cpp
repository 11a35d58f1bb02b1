#include "config/listen_address.hpp"

#include <arpa/inet.h>
#include <strings.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t longest_abstract_name = longest_unix_path - 1;  // Asio's limit: a NUL stands before it
constexpr std::size_t longest_handed_name = 255;                      // FDNAME_MAX of systemd
constexpr std::size_t longest_host_name = 253;                        // RFC 1035, as text

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw std::invalid_argument(in_quotes(text) + " " + why);
}

// The 16 bytes of an IPv6 address without its "%scope".
std::optional<std::array<std::uint8_t, 16>> ip6(std::string_view host) {
  std::array<std::uint8_t, 16> bytes{};
  const std::string address(host.substr(0, host.find('%')));
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return std::nullopt;
  return bytes;
}

bool may_be_host_name(std::string_view host) {
  return host.size() <= longest_host_name && std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == '_';
         });
}

// 999.1.2.3 or 127.1 are names to a resolver, but nobody means them so.
bool looks_like_ip4(std::string_view host) {
  return !host.empty() &&
         std::all_of(host.begin(), host.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

std::uint16_t parse_port(std::string_view text, std::string_view port) {
  std::uint16_t number = 0;
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc{} || rest != port.data() + port.size())
    refuse(text, "has no valid port; end it with :PORT, 0 to 65535 (NBD has 10809; 0: any free one)");
  return number;
}

std::string parse_ip6_host(std::string_view text, std::string_view inside) {
  const bool no_nul = inside.find('\0') == std::string_view::npos;
  const auto scope = inside.find('%');
  const bool scope_ok = scope == std::string_view::npos || may_be_host_name(inside.substr(scope + 1));
  if (!no_nul || !scope_ok || !ip6(inside))
    refuse(text, "has no valid IPv6 address in [ ]; write it as tcp:[::1]:10809");
  return std::string(inside);
}

std::string parse_host(std::string_view text, std::string_view host) {
  if (host == "*") refuse(text, "has a *; leave the host empty for all addresses: tcp::10809");
  if (host.find(':') != std::string_view::npos) refuse(text, "has an IPv6 address without [ ]; write tcp:[::1]:10809");
  in_addr address{};
  const std::string name(host);
  const bool bad_ip4 = looks_like_ip4(host) && inet_pton(AF_INET, name.c_str(), &address) != 1;
  if (!may_be_host_name(host) || bad_ip4)
    refuse(text, "has no valid host; write a name or an address as in tcp:127.0.0.1:10809");
  return name;
}

void parse_tcp(std::string_view text, std::string_view rest, ListenAddress& out) {
  out.kind = ListenAddress::Kind::tcp;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos || !rest.substr(close + 1).starts_with(':'))
      refuse(text, "has no \"]:PORT\" at its end; write tcp:[::1]:10809");
    out.host = parse_ip6_host(text, rest.substr(1, close - 1));
    out.port = parse_port(text, rest.substr(close + 2));
    return;
  }
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos) refuse(text, "has no port; write tcp:HOST:PORT, or tcp::PORT for all addresses");
  out.host = parse_host(text, rest.substr(0, colon));
  out.port = parse_port(text, rest.substr(colon + 1));
}

void parse_unix(std::string_view text, std::string_view path, const std::filesystem::path& folder, ListenAddress& out) {
  out.kind = ListenAddress::Kind::unix_socket;
  if (path.empty()) refuse(text, "has no path; write unix:/path/of/socket");
  if (path.find('\0') != std::string_view::npos) refuse(text, "has a NUL character; take it out");
  if (path.starts_with('@')) {
    out.abstract_name = path.substr(1);
    if (out.abstract_name.empty()) refuse(text, "has no name; write unix:@NAME");
    if (out.abstract_name.size() > longest_abstract_name)
      refuse(text, "has a name of " + std::to_string(out.abstract_name.size()) + " bytes; the most is " +
                       std::to_string(longest_abstract_name) + ": choose a shorter one");
    return;
  }
  out.path = (folder / path).lexically_normal();
  if (!out.path.has_filename()) refuse(text, "names a folder; write unix:/path/of/socket");
  if (out.path.native().size() > longest_unix_path)
    refuse(text, "is " + std::to_string(out.path.native().size()) + " bytes long as a full path; the kernel takes " +
                     std::to_string(longest_unix_path) + ": choose a shorter one");
}

// As names of sockets may be. (systemd.socket(5), FileDescriptorName=)
void parse_handed(std::string_view text, std::string_view name, ListenAddress& out) {
  out.kind = ListenAddress::Kind::handed;
  if (name.empty()) refuse(text, "has no name; write fd:NAME, as the FileDescriptorName= of the socket's unit has it");
  const auto bad = [](char c) { return c < ' ' || c > '~' || c == ':'; };
  if (name.size() > longest_handed_name || std::any_of(name.begin(), name.end(), bad))
    refuse(text, "has no valid name of a socket; it is of up to 255 printable ASCII characters other than ':'");
  out.handed_name = name;
}

}  // namespace

ListenAddress parse_listen_address(std::string_view text, const std::filesystem::path& folder) {
  ListenAddress out;
  out.text = text;
  if (text.starts_with("tcp:")) parse_tcp(text, text.substr(4), out);
  else if (text.starts_with("unix:")) parse_unix(text, text.substr(5), folder, out);
  else if (text.starts_with("fd:")) parse_handed(text, text.substr(3), out);
  else refuse(text, "is not an address; write tcp:HOST:PORT, unix:PATH or fd:NAME");
  return out;
}

bool same_address(const ListenAddress& a, const ListenAddress& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == ListenAddress::Kind::unix_socket) return a.path == b.path && a.abstract_name == b.abstract_name;
  if (a.kind == ListenAddress::Kind::handed) return a.handed_name == b.handed_name;
  if (a.port != b.port || a.port == 0) return false;
  if (const auto a6 = ip6(a.host), b6 = ip6(b.host); a6 && b6) {
    const auto scope = [](const std::string& host) { return host.substr(std::min(host.find('%'), host.size())); };
    return *a6 == *b6 && scope(a.host) == scope(b.host);
  }
  return strcasecmp(a.host.c_str(), b.host.c_str()) == 0;
}

}  // namespace ashlar::host
