// Timeline: what happened when, in a few hundred slices of time, however long it took.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "format/record.hpp"
#include "trace/histogram.hpp"

namespace ashlar::host::traces {

class Timeline {
 public:
  static constexpr std::size_t most_slices = 256;
  static constexpr std::size_t ops = 7;

  struct Slice {
    std::array<std::uint64_t, ops> count{}, bytes{};
    std::array<std::uint64_t, ops> longest{};  // nanoseconds
    std::array<CoarseHistogram, ops> latency;  // nanoseconds
    double busy = 0;                           // nanoseconds that requests were under way, of all together
    std::uint64_t most_depth = 0;              // that were under way when one of them came
  };

  // In the order of their start, as read.
  void add(const trace::Record& record);

  // Nanoseconds of CLOCK_REALTIME of the first slice.
  std::int64_t begin() const { return begin_; }
  // Nanoseconds of each.
  std::uint64_t width() const { return width_; }
  const std::vector<Slice>& slices() const { return slices_; }
  // How many requests of all connections were under way at once in one of them.
  std::uint64_t most_depth(const Slice& slice) const;

 private:
  Slice& slice_at(std::int64_t time);
  void double_width();

  std::int64_t begin_ = 0;
  std::uint64_t width_ = 1'000'000;
  std::vector<Slice> slices_;
  std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> ends_;  // of what is under way
};

}  // namespace ashlar::host::traces
