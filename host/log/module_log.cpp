#include "log/module_log.hpp"

#include <utility>

#include "config/text.hpp"
#include "config/without_secrets.hpp"
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

ModuleLog::ModuleLog(std::shared_ptr<spdlog::logger> logger, std::string who, std::vector<std::string> secrets)
    : logger_(std::move(logger)), who_(one_line(who)), secrets_(std::move(secrets)), repeats_(logger_, most_kinds) {}

bool ModuleLog::enabled(std::uint32_t level) const noexcept { return logger_->should_log(to_spdlog(level)); }

void ModuleLog::write(std::uint32_t level, std::string_view text) noexcept {
  if (!enabled(level)) return;
  try {
    const std::string line = who_ + ": " + cut_to_one_line(without_secrets(text, secrets_));
    if (level < ASHLAR_LOG_WARN) logger_->log(to_spdlog(level), line);
    else repeats_.log(to_spdlog(level), line);
  } catch (...) {
    // Only memory can fail here; a module must not learn of it, and a lost line is the least harm.
  }
}

}  // namespace ashlar::host
