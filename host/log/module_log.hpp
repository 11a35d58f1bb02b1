// ModuleLog: the log services that the host gives to one layer.
#pragma once
#include <ashlar/abi.h>
#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "log/repeats.hpp"

namespace ashlar::host {

// Lines are prefixed with `who` ("disk/file"), stay one line each, and are cut after 4 KiB. A warning or error that
// repeats an earlier one word for word is counted (see Repeats). Keeps its address: ashlar_host points to it.
class ModuleLog {
 public:
  // `extension`: gives the host's services by their id.
  ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who,
            const void* (*extension)(void* self, const char* id) noexcept = &no_extension);
  ModuleLog(const ModuleLog&) = delete;
  ModuleLog& operator=(const ModuleLog&) = delete;
  const ashlar_host& services() const { return services_; }
  // To be called every few seconds; see Repeats. [any thread]
  void tell_repeats() noexcept { repeats_.tell_due(); }

 private:
  // The services, called by the module. [any]
  static std::int32_t enabled(void* self, std::uint32_t level) noexcept;
  static const void* no_extension(void* self, const char* id) noexcept;
  static void write(void* self, std::uint32_t level, const char* text, std::size_t text_length) noexcept;

  std::shared_ptr<spdlog::logger> logger_;
  std::string who_;
  Repeats repeats_;
  ashlar_host services_{};
};

}  // namespace ashlar::host
