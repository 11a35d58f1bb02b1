// Pace: whether a client moves its bytes too slowly for the memory that it keeps from others.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace ashlar::host {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  // So many bytes have to move in `most_time` of waiting for the client.
  static constexpr std::size_t least_bytes = std::size_t{1} << 20;

  explicit Pace(Clock::duration most_time = std::chrono::seconds(10)) : most_time_(most_time) {}

  // Notes a wait for the client that took `time` and moved `bytes`. Whether the client is too slow now. Only to be
  // asked while others want memory; reset() otherwise, for a slow client harms nobody then.
  bool too_slow(Clock::duration time, std::size_t bytes) {
    time_ += time;
    bytes_ += bytes;
    // Many bytes may have moved in one wait, which then may have been longer.
    const auto allowed = most_time_ / least_bytes * std::max(bytes_, least_bytes);
    const bool slow = time_ >= allowed;
    if (bytes_ >= least_bytes) reset();
    return slow;
  }
  void reset() {
    time_ = {};
    bytes_ = 0;
  }

 private:
  Clock::duration most_time_;
  Clock::duration time_{};
  std::size_t bytes_ = 0;
};

}  // namespace ashlar::host
