#include "trace_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace ashlar::trace {
namespace {

// How long after a record others of its request may start when it is not known when the reply left.
constexpr std::uint64_t grace = 1'000'000'000;

std::uint64_t last_start_after(const Record& record) {
  return record.sent != 0 ? std::max(record.sent, record.done) : record.done + grace;
}

}  // namespace

TraceReader::TraceReader(const std::vector<std::string>& paths, Listener& listener)
    : listener_(listener), is_alone_(paths.size() == 1) {
  open(paths);
  order_runs();
}

void TraceReader::open(const std::vector<std::string>& paths) {
  std::set<std::filesystem::path> seen;
  std::vector<std::string> bad;
  for (const std::string& path : paths) {
    std::error_code error;
    const auto real = std::filesystem::canonical(path, error);
    if (!error && !seen.insert(real).second) continue;
    try {
      files_.push_back(std::make_unique<File>(path, listener_));
    } catch (const TraceError& e) {
      bad.emplace_back(e.what());
    }
  }
  const std::string last = bad.empty() ? "" : bad.back();
  if (files_.empty() && !bad.empty()) bad.pop_back();
  for (const std::string& one : bad) leave_out(one);
  if (files_.empty()) throw TraceError(last);
}

void TraceReader::leave_out(const std::string& problem) {
  left_out_ = true;
  listener_.problem(problem);
}

// By the calendar, since the monotonic clock begins anew with each start of the machine.
void TraceReader::order_runs() {
  std::map<std::uint64_t, std::uint64_t> begun;  // run and realtime
  for (const auto& file : files_)
    for (const SegmentHeader& segment : file->reader.file().segments()) {
      const auto [at, added] = begun.try_emplace(segment.run, segment.realtime);
      if (!added) at->second = std::min(at->second, segment.realtime);
    }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> by_time;
  for (const auto& [run, time] : begun) by_time.emplace_back(time, run);
  std::sort(by_time.begin(), by_time.end());
  RunOrder order;
  for (const auto& [time, run] : by_time) order.emplace(run, order.size());
  for (const auto& file : files_) file->reader.set_runs(order);
}

bool TraceReader::next(Record& record) {
  if (!begun_)
    for (const auto& file : files_) take_head(*file);
  begun_ = true;
  File* first = nullptr;
  for (const auto& file : files_) {
    if (!file->has_head) continue;
    if (first == nullptr || file->reader.key_of(file->head) < first->reader.key_of(first->head)) first = file.get();
  }
  if (first == nullptr) return false;
  record = first->head;
  take_head(*first);
  return true;
}

void TraceReader::take_head(File& file) {
  try {
    file.has_head = file.reader.next(file.head);
  } catch (const TraceError& e) {
    if (is_alone_) throw;
    file.has_head = false;
    leave_out(e.what());
  }
}

void TraceReader::payload(const Record& record, std::vector<std::byte>& into) {
  for (const auto& file : files_)
    if (file->reader.file().path() == record.place->file) return file->reader.file().payload(record, into);
  into.clear();
}

Completeness TraceReader::completeness() const {
  Completeness all;
  all.ended = true;
  all.broken = left_out_;
  for (const auto& file : files_) {
    const Completeness& one = file->reader.file().completeness();
    all.records += one.records;
    all.dropped += one.dropped;
    all.left_out += one.left_out;
    all.killed += one.killed;
    all.beginning_lost |= one.beginning_lost;
    all.broken |= one.broken;
    all.ended &= one.ended;
  }
  return all;
}

bool Joiner::next(std::vector<Record>& group) {
  for (;;) {
    if (!has_next_ && !at_end_) {
      has_next_ = reader_.next(next_);
      at_end_ = !has_next_;
      if (has_next_ && each_) each_(next_);
    }
    const bool other_run = has_next_ && next_.run != run_;
    if (has_next_ && !other_run) now_ = next_.start;
    if (take_due(group, at_end_ || other_run)) return true;
    if (at_end_) return false;
    run_ = next_.run;
    now_ = next_.start;
    has_next_ = false;
    if (next_.id == 0) {
      group.assign(1, next_);
      return true;
    }
    add(next_);
  }
}

void Joiner::add(const Record& record) {
  const Name name{record.run, record.connection, record.id};
  Open& open = open_[name];
  open.records.push_back(record);
  const std::uint64_t until = last_start_after(record);
  if (until <= open.until) return;
  open.until = until;
  due_.push({until, name});
}

// A group to which nothing can come any more; `all`: to none can. Of too many, the one to which nothing can come first.
bool Joiner::take_due(std::vector<Record>& group, bool all) {
  while (!due_.empty() && (all || due_.top().until < now_ || open_.size() > most_open)) {
    const Due due = due_.top();
    due_.pop();
    const auto found = open_.find(due.name);
    if (found == open_.end() || found->second.until != due.until) continue;  // it was put off
    group = std::move(found->second.records);
    open_.erase(found);
    return true;
  }
  return false;
}

}  // namespace ashlar::trace
