// Durations, as people write them: "50ms", "2s", "5m". Pure.
#pragma once
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string_view>

namespace ashlar::rules {

// A number with the unit ns, us, ms, s, m or h behind it, of up to about 285 years, to the nearest nanosecond: digits,
// and a point if need be, without an exponent or a sign. None: it is no such text.
inline std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || !(text[0] == '.' || (text[0] >= '0' && text[0] <= '9'))) return std::nullopt;
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const double scale = unit == "ns"   ? 1
                       : unit == "us" ? 1e3
                       : unit == "ms" ? 1e6
                       : unit == "s"  ? 1e9
                       : unit == "m"  ? 60e9
                       : unit == "h"  ? 3600e9
                                      : 0;
  if (scale == 0 || number * scale > 9e18) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(number * scale));
}

}  // namespace ashlar::rules
