#include "uri.hpp"

#include <algorithm>
#include <ashlar/params.hpp>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <string_view>

using ashlar::BadParameter;

namespace {

constexpr const char* default_port = "10809";

[[noreturn]] void refuse(const std::string& what) { throw BadParameter("uri", "uri " + what); }

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// %XX is a byte. A zero byte can be in no name.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1, low = high >= 0 ? digit(text[i + 2]) : -1;
    if (low < 0 || high * 16 + low == 0) refuse("has a % that is not followed by two digits of a byte's number");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Takes what is in front of the first `c`, and `c`; all of it if there is none.
std::string_view take_until(std::string_view& text, char c) {
  const std::size_t at = text.find(c);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return taken;
}

void read_authority(std::string_view text, Uri& to) {
  if (const std::size_t at = text.rfind('@'); at != text.npos) {
    if (text.substr(0, at).find(':') != text.npos)
      refuse("holds a password, which NBD has none of; write psk = \"FILE\" for a pre-shared key");
    to.user = decoded(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  if (text.starts_with('[')) {
    text.remove_prefix(1);
    if (text.find(']') == text.npos) refuse("has a [ without a ]");
    to.host = take_until(text, ']');
    if (!text.empty() && !text.starts_with(':')) refuse("has something between ] and the port");
  } else {
    const std::size_t colon = text.find(':');
    to.host = decoded(text.substr(0, colon));
    text.remove_prefix(colon == text.npos ? text.size() : colon);
  }
  if (text.starts_with(':')) text.remove_prefix(1);
  to.port = text;
}

void read_query(std::string_view query, Uri& to) {
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    const std::string key(take_until(value, '='));
    if (key == "socket") to.socket = decoded(value);
    else if (key == "tls-certificates") refuse("has tls-certificates: write certificates = \"DIR\" beside it");
    else if (key == "tls-psk-file") refuse("has tls-psk-file: write psk = \"FILE\" beside it");
    else if (key == "tls-hostname") refuse("has tls-hostname: write server_name = \"…\" beside it");
    else if (key == "tls-verify-peer") refuse("has tls-verify-peer: write verify = … beside it");
    else refuse("has \"" + key + "\" behind the ?, which is not known");
  }
}

void check(bool is_unix, Uri& of) {
  if (is_unix) {
    if (of.socket.empty()) refuse("names no unix socket; write nbd+unix:///EXPORT?socket=PATH");
    if (!of.host.empty() || !of.port.empty()) refuse("has a host beside a unix socket");
    if (!of.socket.starts_with('/')) refuse("has a socket whose path does not begin with /");
    return;
  }
  if (!of.socket.empty()) refuse("names a unix socket: its scheme is nbd+unix then");
  if (of.host.empty()) refuse("names no host; write nbd://HOST:PORT/EXPORT");
  if (of.port.empty()) of.port = default_port;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(of.port.data(), of.port.data() + of.port.size(), number);
  if (error != std::errc() || end != of.port.data() + of.port.size() || number == 0)
    refuse("has the port \"" + of.port + "\", which is no number of 1 to 65535");
}

}  // namespace

Uri parse_uri(const std::string& text) {
  std::string_view rest = text;
  if (text.find("://") == text.npos) refuse("\"" + text + "\" is no URI; write nbd://HOST:PORT/EXPORT");
  std::string scheme(take_until(rest, ':'));
  std::ranges::transform(scheme, scheme.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  rest.remove_prefix(2);
  Uri uri;
  const bool is_unix = scheme == "nbd+unix" || scheme == "nbds+unix";
  uri.tls = scheme == "nbds" || scheme == "nbds+unix";
  if (!is_unix && scheme != "nbd" && scheme != "nbds")
    refuse("begins with " + scheme + "://, which is none of nbd, nbds, nbd+unix and nbds+unix");
  if (rest.find('#') != rest.npos) refuse("has a #; in a name it is written %23");
  std::string_view query = rest;
  rest = take_until(query, '?');
  std::string_view path = rest;
  read_authority(take_until(path, '/'), uri);
  uri.export_name = decoded(path);
  read_query(query, uri);
  check(is_unix, uri);
  return uri;
}
