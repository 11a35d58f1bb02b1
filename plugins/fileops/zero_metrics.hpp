// ZeroMetrics: how often each method has zeroed and trimmed, and with what outcome, as metrics of the layer.
#pragma once
#include <ashlar/metrics.hpp>
#include <ashlar/plugin.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>

#include "methods.hpp"

namespace ashlar::fileops {

// A metric is made when there is something to count: most backends use two or three of them. All members: [any thread]
class ZeroMetrics {
 public:
  enum class Outcome : std::uint8_t { ok, refused, failed };

  explicit ZeroMetrics(const Host& host) : metrics_(host) {}

  // One call, which may be that of several requests. `op`: zero or trim.
  void count(Op op, Method method, Outcome outcome) noexcept {
    constexpr const char* outcomes[] = {"ok", "refused", "failed"};
    add(calls_[op == Op::trim][static_cast<std::size_t>(method)][static_cast<std::size_t>(outcome)], 1, [&] {
      const std::string text =
          std::string(ashlar::name(op)) + "_" + name(method) + "_" + outcomes[static_cast<std::size_t>(outcome)];
      return metrics_.counter(text.c_str(), "calls of this method with this outcome");
    });
  }

  // Zeroes that no method could make.
  void left_to_writing(std::uint64_t bytes) noexcept {
    add(left_, static_cast<double>(bytes), [&] {
      return metrics_.counter("zero_left_to_writing_bytes",
                              "zeroes that no method could make and a filter had to write");
    });
  }

 private:
  struct Lazy {
    std::once_flag once;
    std::atomic<bool> is_made{false};  // call_once alone would cost more than the count
    Counter counter;
  };

  template <class Make>
  void add(Lazy& lazy, double amount, Make make) noexcept {
    if (lazy.is_made.load(std::memory_order_acquire) || have_made(lazy, make)) lazy.counter.add(amount);
  }
  template <class Make>
  [[gnu::noinline]] static bool have_made(Lazy& lazy, const Make& make) noexcept {
    try {
      std::call_once(lazy.once, [&] { lazy.counter = make(); });
    } catch (const std::bad_alloc&) {
      return false;  // another time
    }
    lazy.is_made.store(true, std::memory_order_release);
    return true;
  }

  const Metrics metrics_;
  std::array<std::array<std::array<Lazy, 3>, method_count>, 2> calls_;  // by op, method and outcome
  Lazy left_;
};

}  // namespace ashlar::fileops
