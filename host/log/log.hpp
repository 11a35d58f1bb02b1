// The host's log: spdlog to stderr. Formatting happens only for levels that are on.
#pragma once
#include <ashlar/abi.h>

#include <string>

#include <spdlog/spdlog.h>

#include "config/config.hpp"

namespace ashlar::host {

// A logger to stderr, safe for all threads. The server makes one and hands it down.
std::shared_ptr<spdlog::logger> make_logger(LogLevel level);

// The log services for one layer; lines are prefixed with `who` ("disk/file"). Keeps its address: ashlar_host points to it.
class ModuleLog {
 public:
  ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who);
  ModuleLog(const ModuleLog&) = delete;
  ModuleLog& operator=(const ModuleLog&) = delete;
  const ashlar_host& services() const { return services_; }

 private:
  std::shared_ptr<spdlog::logger> logger_;
  std::string who_;
  ashlar_host services_;
};

}  // namespace ashlar::host
