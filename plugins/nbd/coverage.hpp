// Coverage: which bytes of a read a server has sent. libnbd takes replies that leave some out, and the memory of a
// read is not cleared before, as that costs more than the rest of a large one. Pure.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

class Coverage {
 public:
  // Of a read of `length` bytes at `offset`.
  void begin(std::uint64_t offset, std::uint64_t length) {
    next_ = offset;
    end_ = offset + length;
    apart_.clear();
  }
  // Throws std::bad_alloc.
  void add(std::uint64_t offset, std::uint64_t length) {
    if (offset == next_) next_ += length;
    else apart_.emplace_back(offset, length);
  }
  // Whether all has come.
  bool complete() {
    std::ranges::sort(apart_);
    for (const auto& [offset, length] : apart_)
      if (offset <= next_) next_ = std::max(next_, offset + length);
    return next_ >= end_;
  }

 private:
  std::uint64_t next_ = 0, end_ = 0;                            // all in front of next_ has come
  std::vector<std::pair<std::uint64_t, std::uint64_t>> apart_;  // what came out of order
};
