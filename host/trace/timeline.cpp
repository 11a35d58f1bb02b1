#include "trace/timeline.hpp"

#include <algorithm>
#include <cmath>

namespace ashlar::host::traces {

void Timeline::add(const trace::Record& record) {
  const std::int64_t start = static_cast<std::int64_t>(record.start) + record.place->to_realtime;
  if (slices_.empty()) begin_ = start;
  const std::uint64_t done = std::max(record.done, record.start);
  const std::int64_t end = start + static_cast<std::int64_t>(done - record.start);
  static_cast<void>(slice_at(end));  // the width is the last one from here on
  Slice& slice = slice_at(start);
  const auto op = static_cast<std::size_t>(record.op);
  if (op < ops) {
    ++slice.count[op];
    slice.bytes[op] += record.length;
    slice.longest[op] = std::max(slice.longest[op], done - record.start);
    slice.latency[op].add(done - record.start);
  }
  while (!ends_.empty() && ends_.top() <= start) ends_.pop();
  ends_.push(end);
  slice.most_depth = std::max<std::uint64_t>(slice.most_depth, ends_.size());
  const auto width = static_cast<std::int64_t>(width_);
  for (std::int64_t at = std::max(start, begin_); at < end;) {
    const std::int64_t next = std::min(end, begin_ + ((at - begin_) / width + 1) * width);
    slice_at(at).busy += static_cast<double>(next - at);
    at = next;
  }
}

// There may be a slice in which none came, and all that are under way came before.
std::uint64_t Timeline::most_depth(const Slice& slice) const {
  return std::max(slice.most_depth, static_cast<std::uint64_t>(std::ceil(slice.busy / static_cast<double>(width_))));
}

Timeline::Slice& Timeline::slice_at(std::int64_t time) {
  const std::uint64_t since = time > begin_ ? static_cast<std::uint64_t>(time - begin_) : 0;
  while (since / width_ >= most_slices) double_width();
  const std::size_t number = since / width_;
  if (number >= slices_.size()) slices_.resize(number + 1);
  return slices_[number];
}

void Timeline::double_width() {
  std::vector<Slice> halves((slices_.size() + 1) / 2);
  for (std::size_t i = 0; i != slices_.size(); ++i) {
    Slice& to = halves[i / 2];
    const Slice& from = slices_[i];
    for (std::size_t op = 0; op != ops; ++op) {
      to.count[op] += from.count[op];
      to.bytes[op] += from.bytes[op];
      to.longest[op] = std::max(to.longest[op], from.longest[op]);
      to.latency[op].add(from.latency[op]);
    }
    to.busy += from.busy;
    to.most_depth = std::max(to.most_depth, from.most_depth);
  }
  slices_ = std::move(halves);
  width_ *= 2;
}

}  // namespace ashlar::host::traces
