// Cancellation: whether nobody wants the answers of some calls any more.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <utility>

namespace ashlar::host {

class Cancellation {
 public:
  // `is_gone`: whether who wanted the answers has gone; asked only until it has, and not again within `spared` of the
  // last time. [any thread]
  explicit Cancellation(std::function<bool()> is_gone, std::chrono::milliseconds spared = {})
      : is_gone_(std::move(is_gone)), spared_(spared) {}
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Once true, it stays so. [any thread]
  bool cancelled() {
    if (!cancelled_.load(std::memory_order_relaxed) && is_to_be_asked() && is_gone_())
      cancelled_.store(true, std::memory_order_relaxed);
    return cancelled_.load(std::memory_order_relaxed);
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool is_to_be_asked() {
    if (spared_.count() == 0) return true;
    const Clock::rep now = Clock::now().time_since_epoch().count();
    if (now - asked_.load(std::memory_order_relaxed) < Clock::duration(spared_).count()) return false;
    asked_.store(now, std::memory_order_relaxed);
    return true;
  }

  const std::function<bool()> is_gone_;
  const std::chrono::milliseconds spared_;
  std::atomic<Clock::rep> asked_{std::numeric_limits<Clock::rep>::min() / 2};  // long ago
  std::atomic<bool> cancelled_{false};
};

}  // namespace ashlar::host
