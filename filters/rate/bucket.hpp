// Bucket: how much may pass in a second, and who has to wait for how long.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace ashlar::rate {

using Clock = std::chrono::steady_clock;

// What wants to pass takes a place in a row that is as long as all of it together, and passes when as much has become
// due as stands before it. What becomes due while nobody wants it is kept for the time of the burst. [any thread]
class Bucket {
 public:
  // `per_second`: 0: no limit; may change at any time, and holds for those that wait, too. Has to outlive this.
  Bucket(const std::atomic<std::uint64_t>& per_second, std::chrono::nanoseconds burst)
      : per_second_(per_second), burst_(std::chrono::duration<double>(burst).count()) {}
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;

  // The place of `amount`, for due_in().
  double take(std::uint64_t amount, Clock::time_point now) {
    const std::lock_guard guard(mutex_);
    advance(now);
    const double place = taken_;
    taken_ += static_cast<double>(amount);
    return place;
  }
  // Takes it only if it may pass at once.
  bool try_take(std::uint64_t amount, Clock::time_point now) {
    const std::lock_guard guard(mutex_);
    advance(now);
    if (due_ < taken_) return false;
    taken_ += static_cast<double>(amount);
    return true;
  }
  // What was taken has not passed: others may at once.
  void give_back(std::uint64_t amount) {
    const std::lock_guard guard(mutex_);
    due_ += static_cast<double>(amount);
  }
  // After how long what has that place may pass; 0: now. Never more than `longest`: then it is to be asked again.
  std::chrono::nanoseconds due_in(double place, Clock::time_point now, std::chrono::nanoseconds longest) {
    const std::lock_guard guard(mutex_);
    advance(now);
    if (due_ >= place) return std::chrono::nanoseconds(0);
    const double seconds = (place - due_) / static_cast<double>(per_second_.load(std::memory_order_relaxed));
    if (!(seconds < std::chrono::duration<double>(longest).count())) return longest;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9) + 1);
  }

 private:
  void advance(Clock::time_point now) {
    const auto per_second = static_cast<double>(per_second_.load(std::memory_order_relaxed));
    if (per_second == 0) {
      due_ = taken_;
    } else if (now > at_) {
      due_ += per_second * std::chrono::duration<double>(now - at_).count();
      due_ = std::min(due_, taken_ + per_second * burst_);
    }
    at_ = std::max(at_, now);
  }

  const std::atomic<std::uint64_t>& per_second_;
  const double burst_;  // seconds
  std::mutex mutex_;
  Clock::time_point at_ = Clock::now();
  double due_ = 0, taken_ = 0;
};

}  // namespace ashlar::rate
