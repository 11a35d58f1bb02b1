#include "trace/crash/history.hpp"

#include <algorithm>

namespace ashlar::host::traces {
namespace {

bool is_change(const trace::Record& record) { return Ops::writing().has(Ops{record.op}) && record.length != 0; }

// Whether the flush is for what was written over all connections.
bool is_for_all(const trace::Record& flush) {
  const auto text = flush.place->texts.find("multi_conn");
  return text != flush.place->texts.end() && text->second == "1";
}

// Takes `gone` out of the ranges.
void cut_out(std::vector<Range>& ranges, Range gone) {
  std::vector<Range> left;
  for (const Range& one : ranges) {
    if (one.begin < std::min(one.end, gone.begin)) left.push_back({one.begin, std::min(one.end, gone.begin)});
    if (std::max(one.begin, gone.end) < one.end) left.push_back({std::max(one.begin, gone.end), one.end});
  }
  ranges = std::move(left);
}

}  // namespace

void History::run() {
  trace::Record record;
  while (requests_.next(record)) {
    // What another run was asked has been answered when this one began, or never was.
    if (record.run != run_) finish_until(UINT64_MAX);
    run_ = record.run;
    finish_until(record.start);
    begin(record);
  }
  finish_until(UINT64_MAX);
  visitor_.before(nullptr);
}

void History::begin(const trace::Record& record) {
  if (!is_change(record) && record.op != Op::flush) return;
  under_way_.push_back({record, {{record.offset, record.end()}}});
  recent_.push_back(record);
  if (recent_.size() > most_recent) recent_.pop_front();
}

// What was answered until then, in that order.
void History::finish_until(std::uint64_t time) {
  for (;;) {
    const auto first = std::min_element(under_way_.begin(), under_way_.end(),
                                        [](const Change& a, const Change& b) { return a.record.done < b.record.done; });
    if (first == under_way_.end() || first->record.done > time) return;
    // It is still under way for the visitor, who is told before anything of it is durable.
    const bool well = first->record.result == 0;
    const bool makes_durable = first->record.op == Op::flush || first->record.flags.has(Flag::fua);
    if (well && makes_durable) {
      const trace::Record cause = first->record;
      visitor_.before(&cause);
    }
    const Change change = std::move(*first);
    under_way_.erase(first);
    if (well) finish(change);
  }
}

void History::finish(const Change& change) {
  const trace::Record& record = change.record;
  if (record.op == Op::flush) {
    flush(record);
    visitor_.after(record);
  } else if (record.flags.has(Flag::fua)) {
    make_durable(change, answered_.size());
    visitor_.after(record);
  } else {
    answered_.push_back(change);
  }
}

void History::flush(const trace::Record& flush) {
  const bool all = is_for_all(flush);
  std::vector<Change> changes = std::move(answered_);
  answered_.clear();
  for (Change& change : changes) {
    const trace::Record& record = change.record;
    const bool before = record.run != flush.run || record.done <= flush.start;
    if (before && (all || record.run != flush.run || record.connection == flush.connection))
      make_durable(change, answered_.size());
    else answered_.push_back(std::move(change));
  }
}

// The disk cannot go back to the first `older` of answered_, where the change is.
void History::make_durable(const Change& change, std::size_t older) {
  bool some_have_gone = false;
  for (std::size_t n = 0; n != older; ++n) {
    Change& one = answered_[n];
    // There may be many of them, and hardly any overlaps.
    if (one.record.end() <= change.record.offset || change.record.end() <= one.record.offset) continue;
    for (const Range& range : change.left) cut_out(one.left, range);
    some_have_gone |= one.left.empty();
  }
  if (some_have_gone) std::erase_if(answered_, [](const Change& one) { return one.left.empty(); });
  visitor_.durable(change);
}

std::vector<const Change*> History::at_risk() const {
  std::vector<const Change*> all;
  for (const Change& one : answered_) all.push_back(&one);
  for (const Change& one : under_way_)
    if (one.record.op != Op::flush) all.push_back(&one);
  return all;
}

}  // namespace ashlar::host::traces
