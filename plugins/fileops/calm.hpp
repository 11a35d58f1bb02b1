// Calm: whether small operations may run on the connection's own thread although the kernel cannot promise not to
// block. They rarely do; once one has, the backend's operations go to workers for a while.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "syscalls.hpp"

namespace ashlar::fileops {

// [any thread]
class Calm {
 public:
  static constexpr std::int64_t blocked_ns = 1'000'000;  // an inline operation that takes longer has blocked
  static constexpr std::int64_t slow_ns = 50'000;        // another limit: longer than it takes to wake a worker
  // None runs inline afterwards for so many times as long, at most for a second: what always blocks, for 60 ms or less,
  // holds up a connection for 1/17 of the time, and a hiccup costs little.
  static constexpr std::int64_t quiet_factor = 16;
  static constexpr std::int64_t most_quiet_ns = 1'000'000'000;

  explicit Calm(std::int64_t limit_ns = blocked_ns) : limit_ns_(limit_ns) {}

  bool at(std::int64_t now) const {
    const std::int64_t until = until_.load(std::memory_order_relaxed);
    return until == 0 || now >= until;
  }
  void ran(std::int64_t from, std::int64_t to) {
    const std::int64_t took = to - from;
    if (took <= limit_ns_) return;
    if (const unsigned left = pardoned_.load(std::memory_order_relaxed); left != 0)
      return pardoned_.store(left - 1, std::memory_order_relaxed);
    const std::int64_t until = to + std::min(took, most_quiet_ns / quiet_factor) * quiet_factor;
    std::int64_t known = until_.load(std::memory_order_relaxed);
    while (known < until && !until_.compare_exchange_weak(known, until, std::memory_order_relaxed)) {
    }
  }
  // Ends the quiet, and overlooks the next `pardoned` that take too long.
  void end(unsigned pardoned) {
    pardoned_.store(pardoned, std::memory_order_relaxed);
    until_.store(0, std::memory_order_relaxed);
  }

 private:
  const std::int64_t limit_ns_;
  std::atomic<std::int64_t> until_{0};
  std::atomic<unsigned> pardoned_{0};
};

// Watches one inline operation, from its construction to its end.
class Watch {
 public:
  Watch(Calm& calm, Syscalls& syscalls) : calm_(calm), sys_(syscalls), from_(sys_.now()), may_run_(calm.at(from_)) {}
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    if (may_run_) calm_.ran(from_, sys_.now());
  }
  bool may_run() const { return may_run_; }

 private:
  Calm& calm_;
  Syscalls& sys_;
  const std::int64_t from_;
  const bool may_run_;
};

}  // namespace ashlar::fileops
