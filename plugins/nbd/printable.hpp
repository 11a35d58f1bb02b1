// Printable: what a program has printed, as text. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace printable {

// How many bytes the UTF-8 sequence at the start of `text` takes; 0: there is none (RFC 3629). `text` is not empty.
inline std::size_t sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

// `text` with `\xNN` in the place of NUL, and of each byte that makes it no UTF-8.
inline std::string text(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = text[0] == '\0' ? 0 : sequence(text);
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
