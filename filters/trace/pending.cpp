#include "pending.hpp"

#include <algorithm>
#include <ashlar/ops.hpp>

namespace ashlar::trace {

// The threads count what is in the layers below, which repetitions are, but not what waits to be repeated.
RecordEntry Pending::record_of(const Asked& asked) const {
  const bool nowait = Flags{asked.flags}.has(Flag::nowait);
  RecordEntry record{};
  record.entry.more = nowait ? std::max(asked.depth, tried_) : asked.depth;
  record.id = asked.id;
  record.offset = asked.offset;
  record.length = asked.length;
  record.start = asked.start;
  record.done = asked.done;
  record.flags = asked.flags;
  record.result = asked.result;
  record.op = static_cast<std::uint8_t>(asked.op);
  record.payload = asked.payload;
  record.tries = 1;
  record.marks = asked.marks;
  return record;
}

void Pending::done(const Asked& asked, std::span<const std::byte> payload, std::optional<std::uint64_t> sent) {
  One* one = first_try_of(asked);
  if (one == nullptr) {
    one = &add(asked, One::State::tried);
  } else {
    const RecordEntry first = one->record;
    one->record = record_of(asked);
    one->record.start = first.start;
    one->record.entry.more = first.entry.more;
    one->record.tries = static_cast<std::uint8_t>(std::min(first.tries + 1, 255));
    one->record.sent = first.sent;
    one->record.marks |= first.marks & mark_told_nothing;
    if (one->state != One::State::tried) ++tried_;
    one->state = One::State::tried;
  }
  // Where there is no memory for it, the request stays one that was only tried: who handed it in still has to count it.
  one->payload.assign(payload.begin(), payload.end());
  --tried_;
  one->state = asked.lent_cold != 0 ? One::State::lent_cold : One::State::done;
  if (!sent) return;
  one->left = true;
  set_sent(one->record, *sent);
}

void Pending::look_at(const Replies& replies) {
  if (used_ == 0) return;
  for (One& one : ones_) {
    if (one.state == One::State::free || one.state == One::State::tried || one.left) continue;
    const auto time = replies.find(one.record.id);
    one.left = time.has_value();
    if (time) set_sent(one.record, *time);
  }
}

// The same request as it was asked before, when it comes again.
Pending::One* Pending::first_try_of(const Asked& asked) {
  for (std::uint32_t at = head(asked.id); at != none; at = ones_[at].next) {
    One& one = ones_[at];
    const bool again = one.state == One::State::tried || one.state == One::State::lent_cold;
    const RecordEntry& r = one.record;
    if (again && r.id == asked.id && r.op == asked.op && r.offset == asked.offset && r.length == asked.length)
      return &one;
  }
  return nullptr;
}

Pending::One& Pending::add(const Asked& asked, One::State state) {
  if (state == One::State::tried)
    if (One* const one = first_try_of(asked)) {  // it would have blocked more than once
      one->record.tries = static_cast<std::uint8_t>(std::min(one->record.tries + 1, 255));
      return *one;
    }
  if (used_ == ones_.size()) grow();
  std::uint32_t at = free_;
  if (at != none) {
    free_ = ones_[at].next;
  } else {
    at = static_cast<std::uint32_t>(ones_.size());
    ones_.emplace_back();
  }
  One& one = ones_[at];
  one.record = record_of(asked);
  one.state = state;
  tried_ += state == One::State::tried;
  append(at);
  ++used_;
  return one;
}

// To the end of its list.
void Pending::append(std::uint32_t at) {
  ones_[at].next = none;
  std::uint32_t* link = &head(ones_[at].record.id);
  while (*link != none) link = &ones_[*link].next;
  *link = at;
}

// More lists when there are many records, so that each stays short.
void Pending::grow() {
  if (ones_.size() < heads_.size()) return;
  std::vector<std::uint32_t> lists(heads_.size() * 2, none);  // before the others are taken apart: it may throw
  heads_.swap(lists);
  for (std::uint32_t at : lists)
    while (at != none) {
      const std::uint32_t following = ones_[at].next;
      append(at);
      at = following;
    }
}

}  // namespace ashlar::trace
