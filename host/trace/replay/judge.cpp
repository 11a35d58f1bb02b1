#include "trace/replay/judge.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace ashlar::host::traces {
namespace {

bool overlap(const trace::Record& a, const trace::Record& b) { return a.offset < b.end() && b.offset < a.end(); }

std::optional<Judge::Difference> compare(const Again& now, const std::vector<std::byte>& then) {
  const trace::Record& record = now.record;
  const std::span<const std::byte> bytes(now.bytes);
  Judge::Difference found{.record = record, .number = now.number};
  if (record.payload == trace::PayloadKind::data) {
    const auto [here, there] = std::mismatch(bytes.begin(), bytes.end(), then.begin(), then.end());
    if (here == bytes.end()) return std::nullopt;
    found.offset = record.offset + static_cast<std::uint64_t>(here - bytes.begin());
    return found;
  }
  found.by_hash = true;
  std::size_t hash = 0;
  for (std::uint64_t at = 0; at < bytes.size(); ++hash) {
    const std::uint64_t in_block = trace::hash_block - (record.offset + at) % trace::hash_block;
    const std::uint64_t n = std::min<std::uint64_t>(in_block, bytes.size() - at);
    std::uint64_t wanted = 0;
    if ((hash + 1) * sizeof wanted <= then.size()) std::memcpy(&wanted, &then[hash * sizeof wanted], sizeof wanted);
    found.offset = record.offset + at;
    if (trace::hash_of(bytes.subspan(at, n)) != wanted) return found;
    at += n;
  }
  return std::nullopt;
}

}  // namespace

void Unknown::add(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && std::prev(at)->second >= begin) --at;
  while (at != ranges_.end() && at->first <= end) {
    begin = std::min(begin, at->first);
    end = std::max(end, at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace(begin, end);
}

void Unknown::remove(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && std::prev(at)->second > begin) --at;
  while (at != ranges_.end() && at->first < end) {
    const auto [first, last] = *at;
    at = ranges_.erase(at);
    if (first < begin) ranges_.emplace(first, begin);
    if (last > end) ranges_.emplace(end, last);
  }
}

bool Unknown::overlaps(std::uint64_t begin, std::uint64_t end) const {
  const auto at = ranges_.lower_bound(end);
  return at != ranges_.begin() && std::prev(at)->second > begin;
}

void Judge::begin(const trace::Record& record, std::uint64_t number, bool is_asked) {
  if (record.run != run_) {
    decide(UINT64_MAX);
    changes_.clear();
    run_ = record.run;
  }
  decide(record.start);
  std::erase_if(changes_, [&](const trace::Record& one) { return one.done <= record.start; });
  if (Ops::writing().has(Ops{record.op})) return change(record, is_asked);
  if (record.op != Op::read || record.result != 0 || !is_asked || record.payload == trace::PayloadKind::none) return;
  Waiting one;
  one.record = record;
  one.number = number;
  one.overlapped = std::any_of(changes_.begin(), changes_.end(),
                               [&](const trace::Record& change) { return overlap(change, record); });
  one.unknown = unknown_.overlaps(record.offset, record.end());
  waiting_.push_back(one);
}

void Judge::change(const trace::Record& record, bool is_asked) {
  for (Waiting& read : waiting_)
    if (overlap(read.record, record) && record.start < read.record.done) read.overlapped = true;
  const bool known = is_asked && record.result == 0 &&
                     (record.op == Op::zero || (record.op == Op::write && record.payload == trace::PayloadKind::data));
  if (known) unknown_.remove(record.offset, record.end());
  else unknown_.add(record.offset, record.end());
  // Of two at the same time either may have come last.
  for (const trace::Record& other : changes_)
    unknown_.add(std::max(other.offset, record.offset), std::min(other.end(), record.end()));
  changes_.push_back(record);
}

void Judge::finished(const Again& again, const std::vector<std::byte>& then) {
  const trace::Record& record = again.record;
  if (again.error != 0 && Ops::writing().has(Ops{record.op})) unknown_.add(record.offset, record.end());
  const auto read =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.number == again.number; });
  if (read == waiting_.end()) return;
  read->finished = true;
  read->failed = again.error != 0;
  if (!read->failed && !read->overlapped && !read->unknown) read->difference = compare(again, then);
}

void Judge::end() { decide(UINT64_MAX); }

// Of the reads that were finished before `time`, as no request that overlaps them comes any more.
void Judge::decide(std::uint64_t time) {
  for (auto read = waiting_.begin(); read != waiting_.end();) {
    if (!read->finished || read->record.done > time) {
      ++read;
      continue;
    }
    if (read->overlapped) ++overlapped_;
    else if (read->unknown) ++unknown_reads_;
    else if (read->difference) ++different_;
    else if (!read->failed) ++same_;
    const bool differs = !read->overlapped && !read->unknown && read->difference;
    if (differs && (!first_ || read->number < first_->number)) first_ = read->difference;
    read = waiting_.erase(read);
  }
}

}  // namespace ashlar::host::traces
