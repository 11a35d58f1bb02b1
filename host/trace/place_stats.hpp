// PlaceStats: what one place of a trace was asked, in figures that take the same memory for any number of requests.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "format/record.hpp"
#include "trace/histogram.hpp"
#include "trace/request_map.hpp"
#include "trace/timeline.hpp"
#include "trace/touched.hpp"

namespace ashlar::host::traces {

struct OpStats {
  std::uint64_t count = 0, bytes = 0, errors = 0;
  std::map<std::int32_t, std::uint64_t> by_errno;
  Histogram latency;                           // nanoseconds in the layers below
  Histogram reply;                             // nanoseconds from there until the reply had left
  std::array<std::uint64_t, 65> sizes{};       // by the power of two that the length is no greater than
  std::array<std::uint64_t, 22> alignments{};  // by the greatest power of two, up to 1M, that both ends are on
  std::uint64_t sequential = 0;                // began where the connection's last one of the op had ended
};

// A request and those that came right before and after it at the same place.
struct Slow {
  trace::Record record;
  std::vector<trace::Record> before, after;
};

class PlaceStats {
 public:
  static constexpr std::size_t ops = 7;
  static constexpr std::size_t most_slow = 20;
  static constexpr std::size_t neighbours = 2;
  static constexpr std::size_t ranges = 1024;

  explicit PlaceStats(const trace::Place& place) : place_(place) {}

  // In the order of their start.
  void add(const trace::Record& record);
  // Of a write whose payload is known: bytes of it that are zero.
  void add_zeroes(std::uint64_t bytes) { zeroes_ += bytes; }
  // Of a write whose payload cannot be read: so many bytes of which is not known what they were.
  void add_unknown(std::uint64_t bytes) { unknown_ += bytes; }
  // No more comes.
  void finish();

  const trace::Place& place() const { return place_; }
  std::uint64_t requests() const { return requests_; }
  const std::array<OpStats, ops>& by_op() const { return ops_; }
  const Timeline& timeline() const { return timeline_; }
  const Touched& touched() const { return touched_; }
  const RequestMap& map() const { return map_; }
  std::uint64_t zeroes() const { return zeroes_; }
  std::uint64_t unknown() const { return unknown_; }
  // Bytes that were written, and nanoseconds, from one flush or FUA write to the next.
  const Histogram& dirty() const { return dirty_; }
  const Histogram& between_flushes() const { return between_flushes_; }
  std::uint64_t misaligned_writes() const { return misaligned_writes_; }  // not on 4 KiB
  std::uint64_t repeated() const { return repeated_; }                    // tried without waiting, and asked again
  std::uint64_t fua() const { return fua_; }                              // of all ops
  std::uint64_t fua_writes() const { return fua_writes_; }
  std::uint64_t idle_flushes() const { return idle_flushes_; }    // nothing was changed since the flush before
  std::uint64_t partial_trims() const { return partial_trims_; }  // no whole block of 4 KiB is in them
  // Bytes asked for of each of `ranges` equal parts of the disk, by reads and by writes.
  const std::vector<std::array<std::uint64_t, 2>>& by_range() const { return by_range_; }
  std::uint64_t range_bytes() const { return range_bytes_; }
  // The slowest first.
  const std::vector<Slow>& slowest() const { return slowest_; }

 private:
  void add_flush(const trace::Record& record);
  void add_change(const trace::Record& record);
  void add_range(const trace::Record& record);
  void look_for_slow(const trace::Record& record);
  void consider(std::size_t at);

  const trace::Place place_;
  std::uint64_t requests_ = 0;
  std::array<OpStats, ops> ops_;
  Timeline timeline_;
  Touched touched_;
  RequestMap map_;
  std::uint64_t zeroes_ = 0, unknown_ = 0, misaligned_writes_ = 0, repeated_ = 0;
  std::uint64_t fua_ = 0, fua_writes_ = 0, idle_flushes_ = 0, partial_trims_ = 0;
  std::uint64_t last_change_ = 0;  // when the last one was done, of those that have begun
  std::uint64_t covered_to_ = 0;   // the last flush covers what was done by then
  std::uint64_t dirty_bytes_ = 0, last_flush_ = 0;
  Histogram dirty_, between_flushes_;
  std::map<std::uint64_t, std::array<std::uint64_t, 2>> ends_;  // by connection: of its last read and write
  std::vector<std::array<std::uint64_t, 2>> by_range_;
  std::uint64_t range_bytes_ = 0;
  std::vector<trace::Record> window_;  // the last ones, the one that is considered in the middle
  std::vector<Slow> slowest_;
};

}  // namespace ashlar::host::traces
