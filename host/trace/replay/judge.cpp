#include "trace/replay/judge.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace ashlar::host::traces {
namespace {

bool overlap(const trace::Record& a, const trace::Record& b) { return a.offset < b.end() && b.offset < a.end(); }

// How many bytes of [begin, end) are in one of the parts, which do not overlap.
std::uint64_t bytes_in(const std::vector<Changed::Part>& parts, std::uint64_t begin, std::uint64_t end) {
  std::uint64_t n = 0;
  for (const Changed::Part& part : parts) {
    const std::uint64_t from = std::max(begin, part.begin), to = std::min(end, part.end);
    if (from < to) n += to - from;
  }
  return n;
}

}  // namespace

void Changed::add(const Part& part) {
  if (part.begin >= part.end) return;
  remove(part.begin, part.end);
  Part whole = part;
  const auto next = parts_.find(part.end);
  if (next != parts_.end() && next->second.writer == part.writer) {
    whole.end = next->second.end;
    parts_.erase(next);
  }
  const auto behind = parts_.lower_bound(part.begin);
  if (behind != parts_.begin()) {
    Part& before = std::prev(behind)->second;
    if (before.end == whole.begin && before.writer == whole.writer) {
      before.end = whole.end;
      return;
    }
  }
  parts_.emplace(whole.begin, whole);
}

void Changed::remove(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto at = parts_.upper_bound(begin);
  if (at != parts_.begin() && std::prev(at)->second.end > begin) --at;
  while (at != parts_.end() && at->first < end) {
    const Part part = at->second;
    at = parts_.erase(at);
    if (part.begin < begin) parts_.emplace(part.begin, Part{part.begin, begin, part.writer});
    if (part.end > end) parts_.emplace(end, Part{end, part.end, part.writer});
  }
}

std::vector<Changed::Part> Changed::within(std::uint64_t begin, std::uint64_t end) const {
  std::vector<Part> found;
  auto at = parts_.upper_bound(begin);
  if (at != parts_.begin() && std::prev(at)->second.end > begin) --at;
  for (; at != parts_.end() && at->first < end; ++at)
    found.push_back({std::max(begin, at->second.begin), std::min(end, at->second.end), at->second.writer});
  return found;
}

void Judge::begin(const trace::Record& record, std::uint64_t number, bool is_asked) {
  if (record.run != run_) {
    decide(UINT64_MAX);
    changes_.clear();
    run_ = record.run;
  }
  decide(record.start);
  std::erase_if(changes_, [&](const trace::Record& one) { return one.done <= record.start; });
  if (Ops::writing().has(Ops{record.op})) return change(record, number, is_asked);
  if (record.op != Op::read || record.result != 0 || !is_asked || record.payload == trace::PayloadKind::none) return;
  Waiting one;
  one.record = record;
  one.number = number;
  one.overlapped = std::any_of(changes_.begin(), changes_.end(),
                               [&](const trace::Record& change) { return overlap(change, record); });
  one.own = changed_.within(record.offset, record.end());
  one.unknown = std::any_of(one.own.begin(), one.own.end(), [](const auto& part) { return !part.writer; });
  waiting_.push_back(one);
}

void Judge::change(const trace::Record& record, std::uint64_t number, bool is_asked) {
  for (Waiting& read : waiting_)
    if (overlap(read.record, record) && record.start < read.record.done) read.overlapped = true;
  const bool known = is_asked && record.result == 0;
  if (known && record.op == Op::write && record.payload != trace::PayloadKind::data)
    changed_.add({record.offset, record.end(), number});
  else if (known && (record.op == Op::write || record.op == Op::zero)) changed_.remove(record.offset, record.end());
  else changed_.add({record.offset, record.end(), std::nullopt});
  // Of two at the same time either may have come last.
  for (const trace::Record& other : changes_)
    changed_.add({std::max(other.offset, record.offset), std::min(other.end(), record.end()), std::nullopt});
  changes_.push_back(record);
}

void Judge::finished(const Again& again, const std::vector<std::byte>& then) {
  const trace::Record& record = again.record;
  if (again.error != 0 && Ops::writing().has(Ops{record.op})) changed_.add({record.offset, record.end(), std::nullopt});
  const auto read =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.number == again.number; });
  if (read == waiting_.end()) return;
  read->finished = true;
  read->failed = again.error != 0;
  if (!read->failed && !read->overlapped && !read->unknown) compare(*read, again, then);
}

// What the replay wrote has to be there; all else has to be as it was then. By hashes that cannot be told of a block in
// which there are both.
void Judge::compare(Waiting& read, const Again& now, const std::vector<std::byte>& then) const {
  const trace::Record& record = now.record;
  const std::span<const std::byte> bytes(now.bytes);
  const auto differs = [&](std::uint64_t offset, bool by_hash, bool is_own) {
    if (read.difference && read.difference->offset <= offset) return;
    read.difference = {.record = record, .number = now.number, .offset = offset, .by_hash = by_hash, .is_own = is_own};
  };
  for (const Changed::Part& part : read.own) {
    const auto here = bytes.subspan(part.begin - record.offset, part.end - part.begin);
    const std::size_t wrong = other_.mismatch(here, part.begin, *part.writer);
    if (wrong != here.size()) differs(part.begin + wrong, false, true);
  }
  const bool by_hash = record.payload != trace::PayloadKind::data;
  std::size_t hash = 0;
  for (std::uint64_t at = 0; at < bytes.size(); ++hash) {
    const std::uint64_t begin = record.offset + at;
    const std::uint64_t n = std::min<std::uint64_t>(trace::hash_block - begin % trace::hash_block, bytes.size() - at);
    const std::uint64_t own = bytes_in(read.own, begin, begin + n);
    if (!by_hash) {
      const bool all_same = own == 0 && at + n <= then.size() && std::memcmp(&bytes[at], &then[at], n) == 0;
      for (std::uint64_t i = at; !all_same && i != at + n; ++i) {
        const bool same = i < then.size() && bytes[i] == then[i];
        if (same || (own != 0 && bytes_in(read.own, record.offset + i, record.offset + i + 1) != 0)) continue;
        differs(record.offset + i, false, false);
        break;
      }
    } else if (own == 0) {
      std::uint64_t wanted = 0;
      if ((hash + 1) * sizeof wanted <= then.size()) std::memcpy(&wanted, &then[hash * sizeof wanted], sizeof wanted);
      if (trace::hash_of(bytes.subspan(at, n)) != wanted) differs(begin, true, false);
    } else if (own != n) {
      read.unknown = true;
    }
    at += n;
  }
}

void Judge::end() { decide(UINT64_MAX); }

// Of the reads that were finished before `time`, as no request that overlaps them comes any more.
void Judge::decide(std::uint64_t time) {
  for (auto read = waiting_.begin(); read != waiting_.end();) {
    if (!read->finished || read->record.done > time) {
      ++read;
      continue;
    }
    const bool differs = !read->overlapped && read->difference;
    if (read->overlapped) ++overlapped_;
    else if (differs) ++different_;
    else if (read->unknown) ++unknown_reads_;
    else if (!read->failed) ++same_;
    if (differs && (!first_ || read->number < first_->number)) first_ = read->difference;
    read = waiting_.erase(read);
  }
}

}  // namespace ashlar::host::traces
