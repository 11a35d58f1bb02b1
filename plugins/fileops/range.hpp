// Range: some bytes of a backend. Split: a range cut where a device's blocks end. Pure.
#pragma once
#include <cstdint>

namespace ashlar::fileops {

// offset + length never exceeds INT64_MAX: no sum here can overflow.
struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  constexpr std::uint64_t end() const { return offset + length; }
  constexpr bool empty() const { return length == 0; }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

// The largest range within `range` whose ends are `phase` plus a multiple of `block`; may be empty. `block` > 0, any
// number; `phase` < `block`.
constexpr Range clip_inward(Range range, std::uint64_t block, std::uint64_t phase = 0) {
  const auto down = [&](std::uint64_t at) { return at < phase ? 0 : at - (at - phase) % block; };
  const std::uint64_t first =
      range.offset <= phase ? phase : range.offset + (block - 1 - (range.offset - phase - 1) % block);
  const std::uint64_t last = down(range.end());
  return last > first ? Range{first, last - first} : Range{range.offset, 0};
}

struct Split {
  Range head, middle, tail;  // in this order, without gaps; `middle` is aligned; each may be empty
};

// Cuts `range` into an aligned middle and what is left at both ends. Without an aligned middle all of it is head.
constexpr Split split(Range range, std::uint64_t block) {
  const Range middle = clip_inward(range, block);
  if (middle.empty()) return {range, {range.end(), 0}, {range.end(), 0}};
  return {{range.offset, middle.offset - range.offset}, middle, {middle.end(), range.end() - middle.end()}};
}

constexpr bool aligned(Range range, std::uint64_t block) { return (range.offset | range.length) % block == 0; }

}  // namespace ashlar::fileops
