// The host's log: spdlog to stderr. Formatting happens only for levels that are on.
#pragma once
#include <ashlar/abi.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "config/config.hpp"

namespace ashlar::host {

// A logger to stderr, safe for all threads, that writes each line through at once. The server makes one and hands it
// down.
std::shared_ptr<spdlog::logger> make_logger(LogLevel level);

// The log services for one layer; lines are prefixed with `who` ("disk/file") and stay one line each. Keeps its
// address: ashlar_host points to it.
class ModuleLog {
 public:
  ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who);
  ModuleLog(const ModuleLog&) = delete;
  ModuleLog& operator=(const ModuleLog&) = delete;
  const ashlar_host& services() const { return services_; }

 private:
  // The services, called by the module. [any]
  static std::int32_t enabled(void* self, std::uint32_t level) noexcept;
  static void write(void* self, std::uint32_t level, const char* text, std::size_t text_length) noexcept;

  std::shared_ptr<spdlog::logger> logger_;
  std::string who_;
  ashlar_host services_;
};

}  // namespace ashlar::host
