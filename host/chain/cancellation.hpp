// Cancellation: whether nobody wants the answers of some calls any more.
#pragma once
#include <atomic>
#include <functional>
#include <utility>

namespace ashlar::host {

class Cancellation {
 public:
  // `is_gone`: whether who wanted the answers has gone; asked only until it has. [any thread]
  explicit Cancellation(std::function<bool()> is_gone) : is_gone_(std::move(is_gone)) {}
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Once true, it stays so. [any thread]
  bool cancelled() {
    if (!cancelled_.load(std::memory_order_relaxed) && is_gone_()) cancelled_.store(true, std::memory_order_relaxed);
    return cancelled_.load(std::memory_order_relaxed);
  }

 private:
  const std::function<bool()> is_gone_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace ashlar::host
