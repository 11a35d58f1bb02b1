#include "log/repeats.hpp"

#include <algorithm>
#include <utility>

namespace ashlar::host {
namespace {

constexpr std::chrono::seconds first_period{10};
constexpr std::chrono::seconds longest_period{60};

}  // namespace

Repeats::Repeats(std::shared_ptr<spdlog::logger> logger, std::size_t most_kinds, Clock clock)
    : logger_(std::move(logger)), most_kinds_(most_kinds), clock_(std::move(clock)) {}

Repeats::~Repeats() { tell_all(); }

void Repeats::log(spdlog::level::level_enum level, std::string_view text) noexcept {
  log(level, text, [&] { return text; });
}

void Repeats::tell_due() noexcept {
  try {
    const std::lock_guard lock(mutex_);
    end_periods(clock_());
  } catch (...) {
    // There is no memory; the numbers are told the next time.
  }
}

void Repeats::tell_all() noexcept {
  try {
    const std::lock_guard lock(mutex_);
    for (Kind& kind : kinds_) tell(kind);
  } catch (...) {
    // There is no memory.
  }
}

bool Repeats::is_first(spdlog::level::level_enum level, std::string_view name, std::string_view detail) {
  const std::lock_guard lock(mutex_);
  const Time now = clock_();
  end_periods(now);
  const auto same = [&](const Kind& kind) { return kind.level == level && kind.name == name; };
  const auto known = std::find_if(kinds_.begin(), kinds_.end(), same);
  if (known != kinds_.end()) {
    ++known->count;
    known->last = detail;
    return false;
  }
  if (kinds_.size() == most_kinds_) {
    tell(kinds_.front());
    kinds_.erase(kinds_.begin());
  }
  kinds_.push_back({std::string(name), level, first_period, now + first_period, 0, {}});
  next_end_ = std::min(next_end_, now + first_period);
  return true;
}

void Repeats::end_periods(Time now) {
  if (now < next_end_) return;
  next_end_ = Time::max();
  const auto is_over = [&](Kind& kind) {
    while (kind.end <= now) {
      if (kind.count == 0) return true;
      tell(kind);
      kind.period = std::min(2 * kind.period, longest_period);
      kind.end += kind.period;
    }
    next_end_ = std::min(next_end_, kind.end);
    return false;
  };
  std::erase_if(kinds_, is_over);
}

// Logging within the lock does not wait for anything but memory: the log has a queue.
void Repeats::tell(Kind& kind) {
  if (kind.count == 0) return;
  logger_->log(kind.level, "{} ({} more like it within {} s{})", kind.name, std::exchange(kind.count, 0),
               kind.period.count(), kind.last.empty() ? "" : ", the last: " + kind.last);
}

}  // namespace ashlar::host
