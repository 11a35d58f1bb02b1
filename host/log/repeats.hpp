// Repeats: warnings and errors that come again and again are counted instead of written again and again.
#pragma once
#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::host {

// Lines are of one kind when they have the same level and the same `kind`, such as "disk: read: Input/output error".
// The first is logged at once. Those that follow within a period are counted, and their number is logged when it is
// over; then the next period begins, twice as long (10 s at first, 60 s at most). A period without any ends it: the
// next is a first one again.
class Repeats {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // When there are more than `most_kinds`, the oldest is forgotten: its number is logged, and its next line is a first
  // one.
  explicit Repeats(std::shared_ptr<spdlog::logger> logger, std::size_t most_kinds = 256,
                   Clock clock = std::chrono::steady_clock::now);
  ~Repeats();  // as tell_all()
  Repeats(const Repeats&) = delete;
  Repeats& operator=(const Repeats&) = delete;

  // Logs the text that `line()` returns, or counts it; a level that is off does neither. `line` is called only for a
  // text that is logged; it may throw, and then nothing is logged. [any thread]
  // `detail` is what tells a line from others of its kind, such as a name; with a number stands that of the last.
  template <class Line>
  void log(spdlog::level::level_enum level, std::string_view kind, Line line, std::string_view detail = {}) noexcept {
    if (!logger_->should_log(level)) return;
    try {
      if (is_first(level, kind, detail)) logger_->log(level, spdlog::string_view_t(line()));
    } catch (...) {
      // There is no memory, and who logs an error must not get another one.
    }
  }
  // The same for a text that is its own kind.
  void log(spdlog::level::level_enum level, std::string_view text) noexcept;

  // Logs the numbers of the periods that are over. Any call of log() does so too; call this every few seconds, so that
  // they are told though nothing more goes wrong. [any thread]
  void tell_due() noexcept;
  // Logs the numbers of all periods, also of those under way. [any thread]
  void tell_all() noexcept;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Kind {
    std::string name;
    spdlog::level::level_enum level;
    std::chrono::seconds period;
    Time end;                 // of the period
    std::uint64_t count = 0;  // of this period
    std::string last;         // detail
  };

  bool is_first(spdlog::level::level_enum level, std::string_view kind, std::string_view detail);
  // Ends the periods that are over at `now`.
  void end_periods(Time now);
  void tell(Kind& kind);

  const std::shared_ptr<spdlog::logger> logger_;
  const std::size_t most_kinds_;
  const Clock clock_;
  std::mutex mutex_;
  std::vector<Kind> kinds_;      // the oldest first
  Time next_end_ = Time::max();  // the earliest of all; earlier than that when kinds were forgotten
};

}  // namespace ashlar::host
