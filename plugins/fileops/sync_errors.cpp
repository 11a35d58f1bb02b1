#include "sync_errors.hpp"

namespace ashlar::fileops {

void SyncErrors::begin(Call& call) {
  const std::lock_guard lock(mutex_);
  call.number_ = ++begun_;
  call.before_ = newest_;
  (newest_ != nullptr ? newest_->after_ : oldest_) = &call;
  newest_ = &call;
}

void SyncErrors::leave(Call& call) {
  const std::lock_guard lock(mutex_);
  leave_locked(call);
}

void SyncErrors::leave_locked(Call& call) {
  (call.before_ != nullptr ? call.before_->after_ : oldest_) = call.after_;
  (call.after_ != nullptr ? call.after_->before_ : newest_) = call.before_;
  call.under_way_ = false;
  if (waiting_ != 0) changed_.notify_all();
}

bool SyncErrors::remember(int error) {
  const std::lock_guard lock(mutex_);
  return remember_locked(error);
}

bool SyncErrors::remember_locked(int error) {
  if (error == 0 || first() != 0) return false;
  first_.store(error, std::memory_order_relaxed);
  changed_.notify_all();
  return true;
}

// Those that began before there was a witness are waited for.
bool SyncErrors::open_witness_locked() {
  if (!witness_.is_open()) {
    unwitnessed_ = begun_;
    witness_.open();
  }
  return witness_.is_open();
}

void SyncErrors::watch() {
  const std::lock_guard lock(mutex_);
  open_witness_locked();
}

bool SyncErrors::lost_nothing(Call& call) {
  const std::lock_guard lock(mutex_);
  if (!witness_.is_open()) return false;
  const int error = witness_.lost();
  call.found_ = remember_locked(error) || call.found_;
  return error == 0 && first() == 0;
}

// What this call should have been told, a call that is still under way may have been told instead. Those that have
// ended have remembered what they were told; those that begin from now on cannot have been told instead.
SyncErrors::Known SyncErrors::end(Call& call) {
  std::unique_lock lock(mutex_);
  leave_locked(call);
  if (oldest_ != nullptr && first() == 0) {
    const bool witnessed = open_witness_locked();
    const std::uint64_t last = unwitnessed_;
    if (witnessed) call.found_ = remember_locked(witness_.lost());
    ++waiting_;
    changed_.wait(lock, [&] { return first() != 0 || oldest_ == nullptr || oldest_->number_ > last; });
    --waiting_;
  }
  return {first(), call.found_};
}

std::size_t SyncErrors::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace ashlar::fileops
