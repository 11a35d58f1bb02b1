// ModuleLog: what one layer writes to the log.
#pragma once
#include <ashlar/abi.h>
#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/repeats.hpp"

namespace ashlar::host {

// Lines are prefixed with `who` ("disk/file"), stay one line each, and are cut after 4 KiB. A warning or error that
// repeats an earlier one word for word is counted (see Repeats).
class ModuleLog {
 public:
  // `secrets`: texts that no line may hold; see without_secrets().
  ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who, std::vector<std::string> secrets = {});
  ModuleLog(const ModuleLog&) = delete;
  ModuleLog& operator=(const ModuleLog&) = delete;

  // `level`: as in abi.h. [any thread]
  bool enabled(std::uint32_t level) const noexcept;
  void write(std::uint32_t level, std::string_view text) noexcept;

  // To be called every few seconds; see Repeats. [any thread]
  void tell_repeats() noexcept { repeats_.tell_due(); }

 private:
  const std::shared_ptr<spdlog::logger> logger_;
  const std::string who_;
  const std::vector<std::string> secrets_;
  Repeats repeats_;
};

}  // namespace ashlar::host
