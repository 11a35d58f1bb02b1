#include "sync_errors.hpp"

#include <cerrno>
#include <new>
#include <utility>

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
  wake_locked();
}

bool SyncErrors::remember(int error) {
  const std::lock_guard lock(mutex_);
  return remember_locked(error);
}

bool SyncErrors::remember_locked(int error) {
  if (error == 0 || first() != 0) return false;
  first_.store(error, std::memory_order_relaxed);
  wake_locked();
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
  {
    const std::lock_guard lock(mutex_);
    leave_locked(call);
    if (oldest_ == nullptr || first() != 0) return {first(), call.found_};
    const bool witnessed = open_witness_locked();
    call.last_ = unwitnessed_;
    if (witnessed) call.found_ = remember_locked(witness_.lost());
    if (!has_to_wait(call)) return {first(), call.found_};
    try {
      call.woken_.emplace(wait_);
    } catch (const std::bad_alloc&) {
      return {ENOMEM, false};
    }
    // What `last_` is taken from only grows, so those that came before need not wait longer.
    (last_waiting_ != nullptr ? last_waiting_->behind_ : first_waiting_) = &call;
    last_waiting_ = &call;
  }
  call.woken_->wait();
  return {first(), call.found_};
}

bool SyncErrors::has_to_wait(const Call& call) const {
  return first() == 0 && oldest_ != nullptr && oldest_->number_ <= call.last_;
}

void SyncErrors::wake_locked() {
  while (first_waiting_ != nullptr && !has_to_wait(*first_waiting_)) {
    Call* const call = std::exchange(first_waiting_, first_waiting_->behind_);
    if (first_waiting_ == nullptr) last_waiting_ = nullptr;
    call->woken_->done();  // with that it may be gone
  }
}

std::size_t SyncErrors::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t n = 0;
  for (const Call* one = first_waiting_; one != nullptr; one = one->behind_) ++n;
  return n;
}

}  // namespace ashlar::fileops
