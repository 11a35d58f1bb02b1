#include "merger.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace ashlar::fileops {
namespace {

auto order(const Zeroing& z) { return std::tuple(z.op, z.may_trim, z.fast, z.range.offset); }

bool same_kind(const Zeroing& a, const Zeroing& b) {
  return a.op == b.op && a.may_trim == b.may_trim && a.fast == b.fast;
}

}  // namespace

struct Merger::Waiting {
  const Zeroing& zeroing;
  Status status = Status::success();
  std::atomic<Turn> turn{Turn::waits};
  Waiting* next = nullptr;
};

Merger::Result Merger::run(const Zeroing& zeroing) {
  Waiting me{zeroing};
  std::unique_lock<std::mutex> lock(mutex_);
  (last_ != nullptr ? last_->next : first_) = &me;
  last_ = &me;
  if (state_.exchange(State::awaited, std::memory_order_acquire) != State::idle) {
    lock.unlock();
    if (wait(me) == Turn::over) return {me.status, false};
    lock.lock();
  }

  // This one leads, and is the first that waits.
  std::array<Waiting*, most_at_once> all;
  const std::span<Waiting*> batch(all.data(), take(all));
  lock.unlock();
  const bool merged = carry_out(batch);
  for (Waiting* one : batch)
    if (one != &me) one->turn.store(Turn::over, std::memory_order_release);  // and is gone
  const bool others = hand_on();
  return {me.status, !merged && !(batch.size() == 1 && others)};
}

Merger::Turn Merger::wait(const Waiting& one) const {
  for (;;) {
    const std::uint32_t seen = turns_.load(std::memory_order_acquire);
    if (const Turn turn = one.turn.load(std::memory_order_acquire); turn != Turn::waits) return turn;
    turns_.wait(seen, std::memory_order_acquire);
  }
}

// The first that waits leads, if any does: returns whether. Wakes all: most are over, and one system call is for all of
// them.
bool Merger::hand_on() {
  bool others = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    others = first_ != nullptr;
    if (others) first_->turn.store(Turn::leads, std::memory_order_release);
    else state_.store(State::idle, std::memory_order_release);
  }
  turns_.fetch_add(1, std::memory_order_release);
  turns_.notify_all();
  return others;
}

std::size_t Merger::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t n = 0;
  for (const Waiting* one = first_; one != nullptr; one = one->next) ++n;
  return n;
}

// Takes the first of those that wait, as many as there is room for. Under the lock.
std::size_t Merger::take(std::span<Waiting*> batch) {
  std::size_t n = 0;
  for (; first_ != nullptr && n < batch.size(); first_ = first_->next) batch[n++] = first_;
  if (first_ == nullptr) last_ = nullptr;
  return n;
}

// Returns whether any were done as one.
bool Merger::carry_out(std::span<Waiting*> batch) {
  bool any_merged = false;
  std::sort(batch.begin(), batch.end(),
            [](const Waiting* a, const Waiting* b) { return order(a->zeroing) < order(b->zeroing); });
  for (std::size_t begin = 0, end = 0; begin < batch.size(); begin = end) {
    Zeroing merged = batch[begin]->zeroing;
    for (end = begin + 1; end < batch.size(); ++end) {
      const Zeroing& next = batch[end]->zeroing;
      if (!same_kind(next, merged) || next.range.offset > merged.range.end()) break;
      const std::uint64_t length = std::max(merged.range.end(), next.range.end()) - merged.range.offset;
      if (length > most_bytes) break;
      merged.range.length = length;
    }
    any_merged |= end - begin > 1;
    const Status status = act_(merged);
    for (std::size_t i = begin; i < end; ++i)
      batch[i]->status = status.ok() || end - begin == 1 ? status : act_(batch[i]->zeroing);
  }
  return any_merged;
}

}  // namespace ashlar::fileops
