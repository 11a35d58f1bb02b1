// Services: what the host does for one layer, and keeps of it: its log, its metrics and its verbs.
#pragma once
#include <ashlar/abi.h>
#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <vector>

#include "chain/metrics.hpp"
#include "chain/verbs.hpp"
#include "log/module_log.hpp"

namespace ashlar::host {

// Keeps its address: ashlar_host points to it.
class Services {
 public:
  // `who`: the layer, as lines of the log name it; `secrets`: texts that no line of it may hold.
  Services(const std::shared_ptr<spdlog::logger>& logger, std::string who, std::vector<std::string> secrets);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // For the module.
  const ashlar_host& table() const { return table_; }

  ModuleLog& log() { return log_; }
  const Metrics& metrics() const { return metrics_; }
  Verbs& verbs() { return verbs_; }
  const Verbs& verbs() const { return verbs_; }

 private:
  // The services, called by the module. [any]
  static std::int32_t log_enabled(void* self, std::uint32_t level) noexcept;
  static void write_log(void* self, std::uint32_t level, const char* text, std::size_t text_length) noexcept;
  static const void* extension(void* self, const char* id) noexcept;

  ModuleLog log_;
  Metrics metrics_;
  Verbs verbs_;
  const ashlar_host table_;
};

}  // namespace ashlar::host
