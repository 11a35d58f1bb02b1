#include "trace/request_map.hpp"

#include <algorithm>

namespace ashlar::host::traces {

void RequestMap::add(const trace::Record& record) {
  const std::int64_t start = static_cast<std::int64_t>(record.start) + record.place->to_realtime;
  if (!begun_) begin_ = start;
  begun_ = true;
  const auto op = static_cast<std::size_t>(record.op);
  if (op >= ops || record.length == 0) return;
  const std::uint64_t since = start > begin_ ? static_cast<std::uint64_t>(start - begin_) : 0;
  while (since / column_ns_ >= columns) double_columns();
  const std::uint64_t last = std::max(record.offset, record.end() - 1);
  while (last / row_bytes_ >= rows) double_rows();
  std::vector<std::uint32_t>& counts = counts_[op];
  if (counts.empty()) counts.resize(columns * rows);
  const std::size_t column = since / column_ns_ * rows;
  for (std::uint64_t row = record.offset / row_bytes_; row <= last / row_bytes_; ++row) ++counts[column + row];
}

template <class To>
void RequestMap::move_all(const To& to) {
  for (std::vector<std::uint32_t>& counts : counts_) {
    if (counts.empty()) continue;
    std::vector<std::uint32_t> moved(columns * rows);
    for (std::size_t column = 0; column != columns; ++column)
      for (std::size_t row = 0; row != rows; ++row) moved[to(column, row)] += counts[column * rows + row];
    counts = std::move(moved);
  }
}

void RequestMap::double_columns() {
  move_all([](std::size_t column, std::size_t row) { return column / 2 * rows + row; });
  column_ns_ *= 2;
}

void RequestMap::double_rows() {
  move_all([](std::size_t column, std::size_t row) { return column * rows + row / 2; });
  row_bytes_ *= 2;
}

}  // namespace ashlar::host::traces
