// LastPatience: how long layers that stop wait for somebody else who has their file. They stop one after the other, and
// the end of a server, which the other layers need for theirs, takes no longer than it has to.
#pragma once
#include <cstdint>
#include <mutex>

namespace ashlar::trace {

// One for all layers of the process. Times are nanoseconds of CLOCK_MONOTONIC.
class LastPatience {
 public:
  static constexpr std::uint64_t most = 1'000'000'000;
  // Layers that stop so much later do so for another reason, as a reload.
  static constexpr std::uint64_t rest = 5'000'000'000;

  // What is left of it.
  std::uint64_t left(std::uint64_t now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (now >= until_ + rest) until_ = now + most;
    return until_ > now ? until_ - now : 0;
  }

 private:
  std::mutex mutex_;
  std::uint64_t until_ = 0;
};

}  // namespace ashlar::trace
