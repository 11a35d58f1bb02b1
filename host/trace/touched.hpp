// Touched: which of a disk's 4 KiB blocks were asked for, and how much was written between two writes of one. Exact
// until there are many blocks; then of a sample of them, chosen by a hash of their number, which stands for all.
#pragma once
#include <cstdint>
#include <unordered_map>

#include "trace/histogram.hpp"

namespace ashlar::host::traces {

class Touched {
 public:
  static constexpr std::uint64_t block = 4096;
  static constexpr std::size_t most_kept = 1 << 17;

  // A read, if not `writes`. [offset, offset + length) in bytes.
  void add(std::uint64_t offset, std::uint64_t length, bool writes);

  // Bytes of all blocks that were touched.
  std::uint64_t working_set() const { return static_cast<std::uint64_t>(blocks_.size()) * block << shift_; }
  std::uint64_t written_set() const { return written_blocks_ * block << shift_; }
  // Bytes that were written over what had been written before.
  std::uint64_t overwritten() const { return overwritten_ * block; }
  // Bytes that were written between two writes of a block.
  const Histogram& distance() const { return distance_; }
  // Whether the figures are estimates.
  bool is_estimate() const { return shift_ != 0; }

 private:
  bool is_kept(std::uint64_t number) const;
  void add_block(std::uint64_t number, bool writes);
  void thin_out();

  std::unordered_map<std::uint64_t, std::uint64_t> blocks_;  // number; written_ when it was written last, or 0
  unsigned shift_ = 0;                                       // one block in 2^shift is kept
  std::uint64_t written_ = 1;                                // bytes
  std::uint64_t written_blocks_ = 0;                         // of those kept
  std::uint64_t overwritten_ = 0;                            // blocks
  Histogram distance_;
};

}  // namespace ashlar::host::traces
