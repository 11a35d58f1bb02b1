// RequestMap: which part of the disk was asked for when, in at most 512 slices of time by 512 ranges of the disk.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "format/record.hpp"

namespace ashlar::host::traces {

class RequestMap {
 public:
  static constexpr std::size_t columns = 512, rows = 512;
  static constexpr std::size_t ops = 7;

  // In the order of their start, as read.
  void add(const trace::Record& record);

  // Nanoseconds of each column; the first one begins with the first request of all, flushes too.
  std::uint64_t column_ns() const { return column_ns_; }
  // Bytes of each row; the first one begins with the disk.
  std::uint64_t row_bytes() const { return row_bytes_; }
  // Requests of the op that touched the row's range, by column * rows + row; empty: there are none.
  const std::vector<std::uint32_t>& counts(std::size_t op) const { return counts_[op]; }

 private:
  void double_columns();
  void double_rows();
  template <class To>
  void move_all(const To& to);

  bool begun_ = false;
  std::int64_t begin_ = 0;  // nanoseconds of CLOCK_REALTIME
  std::uint64_t column_ns_ = 1'000'000;
  std::uint64_t row_bytes_ = 4096;
  std::array<std::vector<std::uint32_t>, ops> counts_;
};

}  // namespace ashlar::host::traces
