#include "trace/words.hpp"

#include <ashlar/rules/duration.hpp>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "config/size.hpp"

namespace ashlar::host::traces {

std::string flags_text(Flags flags) {
  std::string text;
  for (const auto& [flag, name] : Flag::names)
    if (flags.has(flag)) text += (text.empty() ? "" : ",") + std::string(name);
  return text.empty() ? "-" : text;
}

std::string result_text(std::int32_t result) {
  if (result == 0) return "ok";
  const char* const name = ::strerrorname_np(result);
  return name != nullptr ? name : std::to_string(result);
}

std::string run_text(std::uint64_t run) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, run);
  return text;
}

std::optional<Op> op_called(std::string_view wanted) {
  for (std::uint32_t op = ASHLAR_OP_READ; op <= ASHLAR_OP_EXTENTS; ++op)
    if (wanted == name(static_cast<Op>(op))) return static_cast<Op>(op);
  return std::nullopt;
}

std::string calendar_text(std::int64_t realtime) {
  const std::time_t seconds = static_cast<std::time_t>(realtime / 1'000'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof text - n, ".%06dZ", static_cast<int>(realtime % 1'000'000'000 / 1000));
  return text;
}

std::optional<std::uint64_t> parse_duration(std::string_view text) {
  const auto time = rules::parse_duration(text);
  if (!time) return std::nullopt;
  return static_cast<std::uint64_t>(time->count());
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == text.npos) return std::nullopt;
  const auto bound = [](std::string_view part, std::uint64_t other) -> std::optional<std::uint64_t> {
    if (part.empty()) return other;
    try {
      return static_cast<std::uint64_t>(parse_size(part));
    } catch (const std::invalid_argument&) {
      return std::nullopt;
    }
  };
  const auto first = bound(text.substr(0, dots), 0), last = bound(text.substr(dots + 2), UINT64_MAX);
  if (!first || !last || *first >= *last) return std::nullopt;
  return std::pair(*first, *last);
}

std::string duration_text(double nanoseconds) {
  char text[32];
  if (nanoseconds < 1e3) std::snprintf(text, sizeof text, "%.0f ns", nanoseconds);
  else if (nanoseconds < 1e6) std::snprintf(text, sizeof text, "%.1f us", nanoseconds / 1e3);
  else if (nanoseconds < 1e9) std::snprintf(text, sizeof text, "%.2f ms", nanoseconds / 1e6);
  else std::snprintf(text, sizeof text, "%.2f s", nanoseconds / 1e9);
  return text;
}

}  // namespace ashlar::host::traces
