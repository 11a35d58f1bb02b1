// What formats that tell of a trace event by event need: beginnings and ends in the order of time, and one clock for
// all runs.
#pragma once
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "format/record.hpp"

namespace ashlar::host::traces {

// Nanoseconds since the first record of all. Never runs backwards from one run to the next.
class SinceBegin {
 public:
  // Of the records' starts, in their order.
  std::uint64_t start(const trace::Record& record);
  // Of a record whose start was asked for, of the same run as the last one.
  std::uint64_t done(const trace::Record& record) const { return of(std::max(record.done, record.start)); }

 private:
  std::uint64_t of(std::uint64_t monotonic) const {
    const std::int64_t time = static_cast<std::int64_t>(monotonic) + offset_;
    return time > 0 ? static_cast<std::uint64_t>(time) : 0;
  }

  bool begun_ = false;
  std::uint64_t run_ = 0;
  std::int64_t first_ = 0;   // nanoseconds of CLOCK_REALTIME
  std::int64_t offset_ = 0;  // to be added to times of this run
  std::uint64_t last_ = 0;   // the end of what was seen
};

// Makes of records in the order of their start the two events of each, in the order of time. What it keeps are the
// requests that are under way.
class InTime {
 public:
  enum class Event { begins, ends };
  using Visit = std::function<void(Event event, const trace::Record& record)>;

  explicit InTime(Visit visit) : visit_(std::move(visit)) {}
  void add(const trace::Record& record);
  void end() { end_until(UINT64_MAX); }

 private:
  struct Later {
    bool operator()(const trace::Record& a, const trace::Record& b) const { return a.done > b.done; }
  };
  void end_until(std::uint64_t time);

  const Visit visit_;
  std::uint64_t run_ = 0;
  std::priority_queue<trace::Record, std::vector<trace::Record>, Later> under_way_;
};

}  // namespace ashlar::host::traces
