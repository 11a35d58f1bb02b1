// Text of a module or a user, as messages may have it: always one line. Pure.
#pragma once
#include <string>
#include <string_view>

namespace ashlar::rules {

namespace detail {
inline void append_escaped(std::string& out, char c) {
  constexpr char digits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  switch (c) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (byte >= 0x20 && byte != 0x7f) {
    out += c;
    return;
  }
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}
}  // namespace detail

// `text` with control characters written as `\n`, `\t`, `\r` or `\xNN`. UTF-8 is left as it is.
inline std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) detail::append_escaped(out, c);
  return out;
}

// The same, in double quotes, with quotes and backslashes escaped.
inline std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    detail::append_escaped(out, c);
  }
  return out += '"';
}

}  // namespace ashlar::rules
