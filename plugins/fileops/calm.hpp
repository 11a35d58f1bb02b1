// Calm: whether small operations may run on the connection's own thread although the kernel cannot promise not to
// block. They rarely do; once one has, the backend's operations go to workers for a while.
#pragma once
#include <atomic>
#include <cstdint>

#include "syscalls.hpp"

namespace ashlar::fileops {

// [any thread]
class Calm {
 public:
  static constexpr std::int64_t blocked_ns = 1'000'000;  // an inline operation that takes longer has blocked
  static constexpr std::int64_t quiet_ns = 100'000'000;  // none runs inline for so long afterwards

  bool at(std::int64_t now) const {
    const std::int64_t until = until_.load(std::memory_order_relaxed);
    return until == 0 || now >= until;
  }
  void ran(std::int64_t from, std::int64_t to) {
    if (to - from > blocked_ns) until_.store(to + quiet_ns, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> until_{0};
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
