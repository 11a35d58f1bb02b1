// Text: what the protocol calls a string, "Conventions": UTF-8, no NUL, at most 4096 bytes.
#pragma once
#include <ashlar/rules/utf8.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ashlar::protocol {

// Whether `text` is UTF-8 without NUL. Its length is the caller's to check.
inline bool is_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = rules::utf8_length(text);
    if (length == 0 || text[0] == '\0') return false;
    text.remove_prefix(length);
  }
  return true;
}

// `text` with U+FFFD in the place of each byte that makes it none, as names of files may have.
inline std::string to_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = text[0] == '\0' ? 0 : rules::utf8_length(text);
    if (length == 0) out += "\xef\xbf\xbd";
    else out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

// The start of `text` that fits in `bytes`, without splitting a UTF-8 sequence.
inline std::string_view cut_text(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<std::uint8_t>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace ashlar::protocol
