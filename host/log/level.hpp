// The levels of the config and of the SDK as spdlog's.
#pragma once
#include <ashlar/abi.h>
#include <spdlog/common.h>

#include "config/config.hpp"

namespace ashlar::host {

constexpr spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::trace: return spdlog::level::trace;
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// A level that this host does not know comes from a later module; it is shown rather than lost.
constexpr spdlog::level::level_enum to_spdlog(std::uint32_t level) {
  return to_spdlog(level <= ASHLAR_LOG_ERROR ? static_cast<LogLevel>(level) : LogLevel::error);
}

}  // namespace ashlar::host
