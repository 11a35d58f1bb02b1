#include "trace/export/in_time.hpp"

#include <algorithm>

namespace ashlar::host::traces {

std::uint64_t SinceBegin::start(const trace::Record& record) {
  const auto monotonic = static_cast<std::int64_t>(record.start);
  const std::int64_t real = monotonic + record.place->to_realtime;
  if (!begun_) first_ = real;
  if (!begun_ || record.run != run_) offset_ = std::max(real - first_, static_cast<std::int64_t>(last_)) - monotonic;
  begun_ = true;
  run_ = record.run;
  last_ = std::max(last_, done(record));
  return of(record.start);
}

void InTime::add(const trace::Record& record) {
  end_until(record.run == run_ ? record.start : UINT64_MAX);
  run_ = record.run;
  visit_(Event::begins, record);
  under_way_.push(record);
}

void InTime::end_until(std::uint64_t time) {
  while (!under_way_.empty() && under_way_.top().done <= time) {
    const trace::Record record = under_way_.top();
    under_way_.pop();
    visit_(Event::ends, record);
  }
}

}  // namespace ashlar::host::traces
