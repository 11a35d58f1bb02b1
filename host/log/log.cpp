// The only includer of spdlog's sinks.
#include "log/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
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
spdlog::level::level_enum to_spdlog(std::uint32_t level) {
  return to_spdlog(level <= ASHLAR_LOG_ERROR ? static_cast<LogLevel>(level) : LogLevel::error);
}

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("ashlar", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(to_spdlog(level));
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  logger->flush_on(spdlog::level::trace);                // no line may be lost at exit or in a crash
  logger->set_error_handler([](const std::string&) {});  // when stderr itself fails there is nowhere to say so
  return logger;
}

ModuleLog::ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who)
    : logger_(std::move(logger)), who_(one_line(who)), services_{sizeof(ashlar_host), ASHLAR_ABI_MINOR,  this,
                                                                 &ModuleLog::enabled, &ModuleLog::write, nullptr} {}

std::int32_t ModuleLog::enabled(void* self, std::uint32_t level) noexcept {
  return static_cast<ModuleLog*>(self)->logger_->should_log(to_spdlog(level)) ? 1 : 0;
}

void ModuleLog::write(void* self, std::uint32_t level, const char* text, std::size_t text_length) noexcept {
  if (text == nullptr || enabled(self, level) == 0) return;
  try {
    const auto* log = static_cast<ModuleLog*>(self);
    log->logger_->log(to_spdlog(level), "{}: {}", log->who_, one_line({text, text_length}));
  } catch (...) {
    // Only memory can fail here; a module must not learn of it, and a lost line is the least harm.
  }
}

}  // namespace ashlar::host
