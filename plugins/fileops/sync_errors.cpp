#include "sync_errors.hpp"

namespace ashlar::fileops {

bool SyncErrors::remember(int error) {
  const std::lock_guard lock(mutex_);
  if (first_.load(std::memory_order_relaxed) != 0) return false;
  first_.store(error, std::memory_order_relaxed);
  changed_.notify_all();
  return true;
}

void SyncErrors::begin(Call& call) {
  const std::lock_guard lock(mutex_);
  call.number_ = ++begun_;
  call.before_ = newest_;
  (newest_ != nullptr ? newest_->after_ : oldest_) = &call;
  newest_ = &call;
}

int SyncErrors::end(Call& call, bool wait) {
  std::unique_lock lock(mutex_);
  (call.before_ != nullptr ? call.before_->after_ : oldest_) = call.after_;
  (call.after_ != nullptr ? call.after_->before_ : newest_) = call.before_;
  call.under_way_ = false;
  if (waiting_ != 0) changed_.notify_all();
  if (wait) {
    // Those that begin later find what there was to be told already told, or are told themselves.
    const std::uint64_t last = begun_;
    ++waiting_;
    changed_.wait(lock, [&] { return first() != 0 || oldest_ == nullptr || oldest_->number_ > last; });
    --waiting_;
  }
  return first();
}

std::size_t SyncErrors::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace ashlar::fileops
