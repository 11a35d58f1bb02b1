#include "merger.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace ashlar::fileops {
namespace {

// Whether one call can do both.
bool touch(const Zeroing& a, const Zeroing& b) {
  return a.op == b.op && a.may_trim == b.may_trim && a.fast == b.fast && a.range.offset <= b.range.end() &&
         b.range.offset <= a.range.end();
}

Range around(Range a, Range b) {
  const std::uint64_t offset = std::min(a.offset, b.offset);
  return {offset, std::max(a.end(), b.end()) - offset};
}

}  // namespace

struct Merger::Waiting {
  const Zeroing& zeroing;
  Status status = Status::success();
  enum class Turn { waits, leads, over } turn = Turn::waits;
  std::optional<Wakeup> woken;  // done when it is its turn, or when it is over; of one that waits
  Waiting* next = nullptr;      // in the queue
  Waiting* merged = nullptr;    // the next of those that are done together
};

Merger::Result Merger::run(const Zeroing& zeroing) {
  Waiting me{.zeroing = zeroing, .woken = {}};
  std::unique_lock<std::mutex> lock(mutex_);
  if (std::exchange(busy_, true)) {
    try {
      me.woken.emplace(wait_);
    } catch (const std::bad_alloc&) {
      return {Status{ENOMEM}, false};
    }
    append(me);
    lock.unlock();
    me.woken->wait();
    if (me.turn == Waiting::Turn::over) return {me.status, false};
    lock.lock();
  }

  const Zeroing all = take_with_touching(me);
  const bool others_before = first_ != nullptr;
  lock.unlock();
  me.status = act_(all);
  const bool useful = me.merged != nullptr && me.status.ok();
  for (Waiting* one = me.merged; one != nullptr; one = one->merged)
    one->status = me.status.ok() ? me.status : act_(one->zeroing);
  if (me.merged != nullptr && !me.status.ok()) me.status = act_(zeroing);
  lock.lock();

  for (Waiting* one = me.merged; one != nullptr;) {
    Waiting* const next = one->merged;
    one->turn = Waiting::Turn::over;
    one->woken->done();  // with that it may be gone
    one = next;
  }
  const bool others_now = first_ != nullptr;
  busy_ = others_now;
  if (others_now) {
    Waiting* const leader = first_;
    first_ = leader->next;
    if (first_ == nullptr) last_ = nullptr;
    leader->turn = Waiting::Turn::leads;
    leader->woken->done();
  }
  return {me.status, !useful && (others_before || !others_now)};
}

std::size_t Merger::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t n = 0;
  for (const Waiting* one = first_; one != nullptr; one = one->next) ++n;
  return n;
}

void Merger::append(Waiting& one) {
  (last_ != nullptr ? last_->next : first_) = &one;
  last_ = &one;
}

// Takes those out of the queue that can be done together with `one`, and hangs them on it. Under the lock.
Zeroing Merger::take_with_touching(Waiting& one) {
  Zeroing all = one.zeroing;
  std::size_t n = 1;
  for (bool grown = true; grown;) {
    grown = false;
    last_ = nullptr;
    for (Waiting** at = &first_; *at != nullptr;) {
      Waiting* const other = *at;
      const Range both = around(all.range, other->zeroing.range);
      if (n < most_at_once && both.length <= most_bytes && touch(all, other->zeroing)) {
        *at = other->next;
        other->merged = std::exchange(one.merged, other);
        all.range = both;
        grown = true;
        ++n;
      } else {
        last_ = other;
        at = &other->next;
      }
    }
  }
  return all;
}

}  // namespace ashlar::fileops
