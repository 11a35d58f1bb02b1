#include "trace/place_stats.hpp"

#include <algorithm>
#include <bit>

namespace ashlar::host::traces {
namespace {

std::uint64_t time_of(const trace::Record& record) {
  return record.done > record.start ? record.done - record.start : 0;
}

// Of more connections than these the oldest are forgotten.
constexpr std::size_t most_connections = 4096;

}  // namespace

void PlaceStats::add(const trace::Record& record) {
  ++requests_;
  if (record.tries > 1) ++repeated_;
  timeline_.add(record);
  map_.add(record);
  look_for_slow(record);
  const auto number = static_cast<std::size_t>(record.op);
  if (number >= ops) return;
  OpStats& op = ops_[number];
  ++op.count;
  op.latency.add(time_of(record));
  if (record.sent > record.done) op.reply.add(record.sent - record.done);
  if (record.result != 0) {
    ++op.errors;
    ++op.by_errno[record.result];
  }
  if (record.op == Op::flush || record.flags.has(Flag::fua)) add_flush(record);
  add_change(record);
  if (record.length == 0) return;
  op.bytes += record.length;
  ++op.sizes[static_cast<std::size_t>(std::bit_width(record.length - 1))];
  ++op.alignments[static_cast<std::size_t>(std::min(std::countr_zero(record.offset | record.length), 20))];
  if (record.op == Op::write && (record.offset | record.length) % Touched::block != 0) ++misaligned_writes_;
  if (record.op == Op::write || record.op == Op::zero) dirty_bytes_ += record.length;
  add_range(record);
}

void PlaceStats::add_flush(const trace::Record& record) {
  if (last_flush_ != 0 && record.start >= last_flush_) between_flushes_.add(record.start - last_flush_);
  last_flush_ = record.start;
  if (record.op != Op::flush) return;
  dirty_.add(dirty_bytes_);
  dirty_bytes_ = 0;
  if (covered_to_ != 0 && last_change_ <= covered_to_) ++idle_flushes_;
  if (record.result == 0) covered_to_ = record.start;
}

void PlaceStats::add_change(const trace::Record& record) {
  if (record.op != Op::write && record.op != Op::zero && record.op != Op::trim) return;
  last_change_ = std::max(last_change_, record.done);
  if (record.flags.has(Flag::fua)) {
    ++fua_;
    if (record.op == Op::write) ++fua_writes_;
  }
  const std::uint64_t first = trace::round_up(record.offset, Touched::block);
  if (record.op == Op::trim && record.length != 0 && record.end() / Touched::block * Touched::block <= first)
    ++partial_trims_;
}

// Where on the disk it is. Of trims, caches and extents nothing is learnt of what is used.
void PlaceStats::add_range(const trace::Record& record) {
  if (record.op != Op::read && record.op != Op::write) return;
  const std::size_t kind = record.op == Op::write ? 1 : 0;
  if (ends_.size() > most_connections) ends_.erase(ends_.begin());
  std::uint64_t& end = ends_[record.connection][kind];
  if (end == record.offset && end != 0) ++ops_[static_cast<std::size_t>(record.op)].sequential;
  end = record.end();
  touched_.add(record.offset, record.length, kind == 1);
  if (by_range_.empty()) {
    range_bytes_ = std::max<std::uint64_t>(trace::round_up(place_.size / ranges + 1, Touched::block), Touched::block);
    by_range_.resize(ranges);
  }
  for (std::uint64_t at = record.offset; at < record.end();) {
    const std::uint64_t number = std::min<std::uint64_t>(at / range_bytes_, ranges - 1);
    const bool last = number == ranges - 1;  // it has what lies beyond the disk, too
    const std::uint64_t next = last ? record.end() : std::min(record.end(), (number + 1) * range_bytes_);
    by_range_[number][kind] += next - at;
    at = next;
  }
}

// A request is looked at when those that came right behind it are known.
void PlaceStats::look_for_slow(const trace::Record& record) {
  window_.push_back(record);
  if (window_.size() > 2 * neighbours + 1) window_.erase(window_.begin());
  if (window_.size() > neighbours) consider(window_.size() - 1 - neighbours);
}

void PlaceStats::consider(std::size_t at) {
  const trace::Record& record = window_[at];
  if (slowest_.size() == most_slow && time_of(record) <= time_of(slowest_.back().record)) return;
  Slow slow{.record = record, .before = {}, .after = {}};
  const auto here = window_.begin() + static_cast<std::ptrdiff_t>(at);
  slow.before.assign(here - static_cast<std::ptrdiff_t>(std::min(at, neighbours)), here);
  slow.after.assign(here + 1, window_.end());
  const auto place = std::upper_bound(
      slowest_.begin(), slowest_.end(), record,
      [](const trace::Record& one, const Slow& other) { return time_of(one) > time_of(other.record); });
  slowest_.insert(place, std::move(slow));
  if (slowest_.size() > most_slow) slowest_.pop_back();
}

void PlaceStats::finish() {
  const std::size_t left = std::min(neighbours, window_.size());
  for (std::size_t at = window_.size() - left; at != window_.size(); ++at) consider(at);
  window_.clear();
}

}  // namespace ashlar::host::traces
