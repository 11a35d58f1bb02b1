#include "tls/psk_file.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "config/text.hpp"
#include "protocol/text.hpp"

namespace ashlar::host {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return hex_digit(c) >= 0; });
}

PskKey bytes_of(std::string_view hex) {
  PskKey bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<unsigned char>(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1])));
  return bytes;
}

std::string_view trimmed_end(std::string_view text) {
  const auto last = text.find_last_not_of(" \t\r");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// One line of the file.
class Line {
 public:
  Line(std::string_view text, std::uint32_t number, const std::filesystem::path& file)
      : text_(trimmed_end(text)), number_(number), file_(file), colon_(text_.find(':')) {}

  bool says_nothing() const {
    if (text_.empty()) return true;
    return text_[0] == '#' && !has_hex_name();
  }
  // Throws ConfigError.
  std::pair<std::string, PskKey> parse() const {
    if (colon_ == std::string_view::npos) fail(1, "has no colon; write name:hexkey");
    std::string user = name();
    return {std::move(user), key()};
  }

 private:
  bool has_hex_name() const {
    return colon_ != std::string_view::npos && colon_ > 1 && colon_ % 2 == 1 && is_hex(text_.substr(1, colon_ - 1));
  }
  std::string name() const {
    std::string user(text_.substr(0, colon_));
    if (text_[0] == '#') {
      const PskKey bytes = bytes_of(text_.substr(1, colon_ - 1));
      user.assign(bytes.begin(), bytes.end());
    }
    if (user.empty()) fail(1, "has no user name before the colon");
    if (user.size() > longest_psk_name) fail(1, "has a user name of more than 255 bytes");
    if (!protocol::is_text(user)) fail(1, "has a user name that is not UTF-8 without NUL");
    return user;
  }
  PskKey key() const {
    const std::string_view hex = text_.substr(colon_ + 1);
    const auto column = static_cast<std::uint32_t>(colon_ + 2);
    if (hex.empty()) fail(column, "has no key behind the colon; make one with: openssl rand -hex 32");
    for (std::size_t i = 0; i < hex.size(); ++i)
      if (hex_digit(hex[i]) < 0)
        fail(column + static_cast<std::uint32_t>(i), "has something else than hexadecimal digits in its key");
    if (hex.size() % 2 != 0) fail(column, "has a key with an odd number of digits");
    if (hex.size() / 2 > longest_psk) fail(column, "has a key of more than 256 bytes");
    return bytes_of(hex);
  }
  [[noreturn]] void fail(std::uint32_t column, const std::string& what) const {
    throw ConfigError(file_, {number_, column}, "the line " + what);
  }

  std::string_view text_;
  std::uint32_t number_;
  const std::filesystem::path& file_;
  std::size_t colon_;
};

}  // namespace

PskFile parse_psk_file(std::string_view text, const std::filesystem::path& file) {
  PskFile found;
  Mistakes mistakes;
  std::map<std::string, std::uint32_t> lines;  // of each user's key
  std::uint32_t number = 0;
  if (text.starts_with("\xef\xbb\xbf")) {
    mistakes.add(ConfigError(file, {1, 1}, "the line begins with a byte order mark; save the file without one"));
    text.remove_prefix(3);
  }
  while (!text.empty()) {
    const auto end = text.find('\n');
    const Line line(text.substr(0, end), ++number, file);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.says_nothing()) continue;
    mistakes.gather([&] {
      auto [user, key] = line.parse();
      const auto [first, is_new] = lines.emplace(user, number);
      if (!is_new)
        throw ConfigError(file, {number, 1},
                          "the user " + in_quotes(user) + " has a key already, in line " +
                              std::to_string(first->second) + "; take one out");
      if (key.size() < short_psk) found.short_keys.push_back(user);
      found.keys.emplace(std::move(user), std::move(key));
    });
  }
  mistakes.throw_if_any();
  return found;
}

}  // namespace ashlar::host
