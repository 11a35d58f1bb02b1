#include "config/size.hpp"

#include <charconv>
#include <limits>
#include <stdexcept>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::string_view units = "KMGTP";

[[noreturn]] void refuse(std::string_view text, const char* why) {
  throw std::invalid_argument(in_quotes(text) + " " + why);
}

}  // namespace

std::int64_t parse_size(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || text[0] < '0' || text[0] > '9')
    refuse(text, "is not a size; write bytes, or a whole number with K, M, G, T or P such as \"64K\"");
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::result_out_of_range) refuse(text, "is too large; sizes go up to 2^63-1 bytes");
  if (rest == end) return number;
  if (*rest == '.' || *rest == ',')
    refuse(text, "has a fraction; write a whole number of a smaller unit, such as \"1536K\"");

  const char letter = *rest >= 'a' && *rest <= 'z' ? static_cast<char>(*rest - 'a' + 'A') : *rest;
  const auto unit = units.find(letter);
  if (unit == std::string_view::npos || rest + 1 != end)
    refuse(text, "does not end in a known unit; write one of K, M, G, T, P (powers of 1024) such as \"64K\"");
  const auto shift = static_cast<unsigned>(10 * (unit + 1));
  if (number > (std::numeric_limits<std::int64_t>::max() >> shift))
    refuse(text, "is too large; sizes go up to 2^63-1 bytes");
  return number << shift;
}

std::string size_text(std::int64_t bytes) {
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + (unit == 0 ? "" : std::string(1, units[unit - 1]));
}

}  // namespace ashlar::host
