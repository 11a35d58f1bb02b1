// Printable: what a program has printed, as text. Pure.
#pragma once
#include <ashlar/rules/utf8.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace printable {

// `text` with `\xNN` in the place of NUL, and of each byte that makes it no UTF-8.
inline std::string text(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = text[0] == '\0' ? 0 : ashlar::rules::utf8_length(text);
    if (length != 0) {
      out += text.substr(0, length);
    } else {
      const auto byte = static_cast<std::uint8_t>(text[0]);
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace printable
