// Histogram: values by size, in steps of less than 2 %, in little memory however many they are. CoarseHistogram: in
// steps of up to 12 %, in less memory.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>

namespace ashlar::host::traces {

// Each power of two has 2^bits steps; the values below 2 << bits have one each.
template <unsigned bits>
class HistogramOf {
 public:
  void add(std::uint64_t value, std::uint64_t times = 1) {
    if (counts_ == nullptr) counts_ = std::make_unique<Counts>();
    (*counts_)[step_of(value)] += times;
    count_ += times;
    sum_ += static_cast<double>(value) * static_cast<double>(times);
    most_ = std::max(most_, value);
  }

  void add(const HistogramOf& other) {
    if (other.counts_ == nullptr) return;
    if (counts_ == nullptr) counts_ = std::make_unique<Counts>();
    for (std::size_t step = 0; step != steps; ++step) (*counts_)[step] += (*other.counts_)[step];
    count_ += other.count_;
    sum_ += other.sum_;
    most_ = std::max(most_, other.most_);
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t most() const { return most_; }
  double sum() const { return sum_; }
  double mean() const { return count_ != 0 ? sum_ / static_cast<double>(count_) : 0; }
  // The value that `share` (0..1) of all are no greater than; 0: there are none.
  std::uint64_t percentile(double share) const {
    if (count_ == 0) return 0;
    auto rest = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    rest = std::clamp<std::uint64_t>(rest, 1, count_);
    for (std::size_t step = 0; step != steps; ++step) {
      if ((*counts_)[step] >= rest) return std::min(top_of(step), most_);
      rest -= (*counts_)[step];
    }
    return most_;
  }

  // Calls visit(step, count) for each step that has values, from the smallest on.
  template <class Visit>
  void for_each(Visit&& visit) const {
    if (counts_ == nullptr) return;
    for (std::size_t step = 0; step != steps; ++step)
      if ((*counts_)[step] != 0) visit(step, (*counts_)[step]);
  }

 private:
  static constexpr std::size_t steps = (64 - bits + 1) << bits;
  using Counts = std::array<std::uint64_t, steps>;

  static std::size_t step_of(std::uint64_t value) {
    const unsigned width = static_cast<unsigned>(std::bit_width(value));
    if (width <= bits + 1) return static_cast<std::size_t>(value);
    const unsigned shift = width - bits - 1;
    return (static_cast<std::size_t>(shift) << bits) + static_cast<std::size_t>(value >> shift);
  }
  // The greatest value of a step.
  static std::uint64_t top_of(std::size_t step) {
    if (step < (2u << bits)) return step;
    const std::size_t shift = (step >> bits) - 1;
    const std::uint64_t low = ((std::uint64_t{1} << bits) + (step & ((1u << bits) - 1))) << shift;
    return low + ((std::uint64_t{1} << shift) - 1);
  }

  std::unique_ptr<Counts> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::uint64_t most_ = 0;
};

using Histogram = HistogramOf<6>;
using CoarseHistogram = HistogramOf<3>;

}  // namespace ashlar::host::traces
