// Losses: how often a flush below has failed. The layer below may tell of what it has lost once, to whoever flushes
// first; what it was may be anybody's. So each connection that was there is told by a flush of its own.
#pragma once
#include <ashlar/status.hpp>
#include <atomic>
#include <cstdint>

namespace ashlar::caching {

// [any thread]
class Losses {
 public:
  std::uint64_t count() const noexcept { return count_; }
  void add(Status s) noexcept {
    error_ = s.code();
    ++count_;
  }
  // What a flush that went well below has to tell of if there were `known` when its connection was told last.
  Status since(std::uint64_t known) const noexcept { return count_ == known ? Status::success() : Status{error_}; }

 private:
  std::atomic<std::uint64_t> count_{0};
  std::atomic<int> error_{0};  // the errno of the last
};

}  // namespace ashlar::caching
