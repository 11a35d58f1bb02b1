// LastPatience: how long layers that stop wait for somebody else who has their file. They stop one after the other, and
// the end of a server, which the other layers need for theirs, takes no longer than it has to.
#pragma once
#include <algorithm>
#include <cstdint>
#include <mutex>

namespace ashlar::trace {

// They have a second together. What they have waited of it comes back while none of them waits, for those that stop
// later for another reason, as a reload. Times are nanoseconds of CLOCK_MONOTONIC.
class LastPatience {
 public:
  static constexpr std::uint64_t usual = 1'000'000'000;
  static constexpr std::uint64_t recovery = 5;  // it takes so many times as long to come back

  // How long a layer may wait that begins to.
  std::uint64_t begin(std::uint64_t now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_++ == 0 && now > since_) left_ = std::min(most_, left_ + (now - since_) / recovery);
    return left_;
  }
  // It waits no longer.
  void end(std::uint64_t begun, std::uint64_t now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    --waiting_;
    left_ -= std::min(left_, now - begun);
    since_ = std::max(since_, now);
  }

  bool is_waiting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return waiting_ != 0;
  }
  // Instead of a second.
  void set_most(std::uint64_t most) {
    const std::lock_guard<std::mutex> lock(mutex_);
    most_ = left_ = most;
  }

 private:
  std::mutex mutex_;
  std::uint64_t most_ = usual;
  std::uint64_t left_ = usual;
  std::uint64_t since_ = 0;  // when one waited last
  unsigned waiting_ = 0;
};

// Of all layers of the process.
inline constinit LastPatience last_patience;

}  // namespace ashlar::trace
