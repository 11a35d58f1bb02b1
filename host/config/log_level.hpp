// The names of the log levels, as in the config and on the command line.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace ashlar::host {

inline std::span<const std::string> log_level_names() {
  static const std::string names[] = {"trace", "debug", "info", "warn", "error"};
  return names;
}

inline std::optional<LogLevel> parse_log_level(std::string_view text) {
  const auto names = log_level_names();
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return static_cast<LogLevel>(i);
  return std::nullopt;
}

}  // namespace ashlar::host
