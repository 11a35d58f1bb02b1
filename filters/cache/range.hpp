// Range: bytes of the disk.
#pragma once
#include <algorithm>
#include <cstdint>

namespace ashlar::caching {

struct Range {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t length() const { return end - begin; }
  bool empty() const { return begin >= end; }
  friend bool operator==(Range, Range) = default;
};

inline Range intersection(Range a, Range b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

}  // namespace ashlar::caching
