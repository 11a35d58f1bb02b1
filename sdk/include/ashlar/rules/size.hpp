// Sizes in bytes, as people write them. Pure.
#pragma once
#include <ashlar/rules/text.hpp>
#include <charconv>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ashlar::rules {

inline constexpr std::string_view size_units = "KMGTP";

// Bytes from "4096", "64K", "1M", "2G", "1T" or "1P": a whole number, then at most one letter for a power of 1024, in
// either case. The result is 0..INT64_MAX. Throws std::invalid_argument, whose text says what is wrong and what to do.
inline std::int64_t parse_size(std::string_view text) {
  const auto refuse = [&](const char* why) { throw std::invalid_argument(in_quotes(text) + " " + why); };
  constexpr const char* too_large = "is too large; sizes go up to 2^63-1 bytes";
  if (text.empty() || text[0] < '0' || text[0] > '9')
    refuse("is not a size; write bytes, or a whole number with K, M, G, T or P such as \"64K\"");
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::result_out_of_range) refuse(too_large);
  if (rest == end) return number;
  if (*rest == '.' || *rest == ',') refuse("has a fraction; write a whole number of a smaller unit, such as \"1536K\"");

  const char letter = *rest >= 'a' && *rest <= 'z' ? static_cast<char>(*rest - 'a' + 'A') : *rest;
  const auto unit = size_units.find(letter);
  if (unit == std::string_view::npos || rest + 1 != end)
    refuse("does not end in a known unit; write one of K, M, G, T, P (powers of 1024) such as \"64K\"");
  const auto shift = static_cast<unsigned>(10 * (unit + 1));
  if (number > (std::numeric_limits<std::int64_t>::max() >> shift)) refuse(too_large);
  return number << shift;
}

// `bytes` in the largest unit that needs no fraction: "64K", "1000". parse_size() reads it back.
inline std::string size_text(std::int64_t bytes) {
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < size_units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + (unit == 0 ? "" : std::string(1, size_units[unit - 1]));
}

}  // namespace ashlar::rules
