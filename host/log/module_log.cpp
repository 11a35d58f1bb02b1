#include "log/module_log.hpp"

#include <string_view>
#include <utility>

#include "config/text.hpp"
#include "log/level.hpp"

namespace ashlar::host {
namespace {

// One layer may not fill the log's queue with a single line, nor much memory with those that are remembered.
constexpr std::size_t most_text = 4096;
constexpr std::size_t most_kinds = 64;

std::string cut_to_one_line(std::string_view text) {
  if (text.size() <= most_text) return one_line(text);
  return one_line(text.substr(0, most_text)) + " ... (" + std::to_string(text.size() - most_text) + " bytes more)";
}

}  // namespace

ModuleLog::ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who,
                     const void* (*extension)(void* self, const char* id) noexcept)
    : logger_(std::move(logger)), who_(one_line(who)), repeats_(logger_, most_kinds) {
  services_ = {sizeof(ashlar_host), ASHLAR_ABI_MINOR, this, &ModuleLog::enabled, &ModuleLog::write, extension};
}

std::int32_t ModuleLog::enabled(void* self, std::uint32_t level) noexcept {
  return static_cast<ModuleLog*>(self)->logger_->should_log(to_spdlog(level)) ? 1 : 0;
}

const void* ModuleLog::no_extension(void*, const char*) noexcept { return nullptr; }

void ModuleLog::write(void* self, std::uint32_t level, const char* text, std::size_t text_length) noexcept {
  if (text == nullptr || enabled(self, level) == 0) return;
  try {
    auto* const log = static_cast<ModuleLog*>(self);
    const std::string line = log->who_ + ": " + cut_to_one_line({text, text_length});
    if (level < ASHLAR_LOG_WARN) log->logger_->log(to_spdlog(level), line);
    else log->repeats_.log(to_spdlog(level), line);
  } catch (...) {
    // Only memory can fail here; a module must not learn of it, and a lost line is the least harm.
  }
}

}  // namespace ashlar::host
