// Histogram: latencies in fixed memory, so that taking one costs nothing that would be measured along.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace ashlar::bench {

// Each power of two is cut into 64 buckets: what percentile() tells is at most 1.6 % too high.
class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[bucket(nanoseconds)];
    ++total_;
  }
  void add(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
  }
  // The least time, in nanoseconds, within which the `part` (0..1) of all came back; 0 when there were none.
  std::uint64_t percentile(double part) const {
    if (total_ == 0) return 0;
    const auto wanted =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(part * static_cast<double>(total_) + 0.5));
    std::uint64_t seen = 0;
    std::size_t i = 0;
    while ((seen += counts_[i]) < wanted) ++i;
    return upper_end(i);
  }

 private:
  static constexpr unsigned bits = 6;
  static constexpr std::size_t per_power = std::size_t{1} << bits;

  static constexpr std::size_t bucket(std::uint64_t n) {
    if (n < per_power) return n;
    const auto shift = static_cast<unsigned>(std::bit_width(n)) - bits - 1;
    return (shift + 1) * per_power + ((n >> shift) - per_power);
  }
  static constexpr std::uint64_t upper_end(std::size_t i) {
    if (i < per_power) return i;
    const auto shift = static_cast<unsigned>(i / per_power - 1);
    return ((per_power + i % per_power + 1) << shift) - 1;
  }

  std::array<std::uint64_t, per_power*(64 - bits + 1)> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace ashlar::bench
