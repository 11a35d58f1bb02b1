// Runner: runs a check in a process of its own, which a module that is wrong may end or hang without harm.
#pragma once
#include <chrono>
#include <functional>
#include <string>

#include "watch.hpp"

namespace ashlar::check {

// How a check ended.
struct Outcome {
  enum class Kind { kept, broken, not_made, unusable, not_tried };
  Kind kind = Kind::kept;
  std::string text;  // broken: how; not_made, unusable, not_tried: why; kept: what the check hands to the later ones
  bool returned = true;  // false: its process did not live to the end of it
  bool hung = false;
};

class Runner {
 public:
  using Clock = std::chrono::steady_clock;
  // Without a step for so long, a check hangs.
  static constexpr std::chrono::seconds patience{10};

  // All checks together take no longer than `all_in_all`. `in_process`: nothing is forked, nothing is timed.
  Runner(Watch& watch, bool in_process, std::chrono::seconds all_in_all)
      : watch_(watch),
        in_process_(in_process),
        all_in_all_(all_in_all),
        end_(Clock::now() + (in_process ? std::chrono::hours(24) : all_in_all)) {}

  // Runs `check`, which may throw what promise.hpp has, or any std::exception.
  Outcome run(const std::function<std::string()>& check);

  // Whether there is time for a further check.
  bool time_left() const { return in_process_ || Clock::now() < end_; }
  // Of a check for which there is none: what was not tried is neither kept nor broken.
  Outcome time_is_over() const;
  Clock::time_point end() const { return end_; }

 private:
  Outcome wait_for(int child, int result);

  Watch& watch_;
  const bool in_process_;
  const std::chrono::seconds all_in_all_;
  const Clock::time_point end_;
};

}  // namespace ashlar::check
