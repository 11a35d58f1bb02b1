// RequestIds: the ids of a connection's requests, which no other request of this run of the server has. (abi.h,
// ashlar_io)
#pragma once
#include <atomic>
#include <cstdint>

namespace ashlar::host {

class RequestIds {
 public:
  // Never 0.
  std::uint64_t next() {
    if (left_ == 0) {
      next_ = taken_.fetch_add(at_once, std::memory_order_relaxed);
      left_ = at_once;
    }
    --left_;
    return next_++;
  }

 private:
  static constexpr std::uint64_t at_once = 1 << 20;  // so that connections rarely meet here
  static inline std::atomic<std::uint64_t> taken_{1};

  std::uint64_t next_ = 0, left_ = 0;
};

}  // namespace ashlar::host
