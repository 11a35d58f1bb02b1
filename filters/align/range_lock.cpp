#include "range_lock.hpp"

#include <new>

RangeLock::Hold::Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode)
    : lock_(lock), begin_(begin), end_(end), mode_(mode) {
  {
    const std::lock_guard guard(lock_.mutex_);
    in_the_way_ = lock_.count_in_the_way(*this);
    try {
      if (in_the_way_ != 0) ready_.emplace(lock_.wait_);
    } catch (const std::bad_alloc&) {
      return;
    }
    lock_.append(*this);
    held_ = true;
  }
  if (ready_) static_cast<void>(ready_->wait());
}

RangeLock::Hold::Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode, std::try_to_lock_t)
    : lock_(lock), begin_(begin), end_(end), mode_(mode) {
  const std::lock_guard guard(lock_.mutex_);
  if (lock_.count_in_the_way(*this) != 0) return;
  lock_.append(*this);
  held_ = true;
}

RangeLock::Hold::~Hold() {
  if (!held_) return;
  const std::lock_guard guard(lock_.mutex_);
  (before_ != nullptr ? before_->behind_ : lock_.first_) = behind_;
  (behind_ != nullptr ? behind_->before_ : lock_.last_) = before_;
  // Under the mutex: a woken holder may finish, and its node be gone, as soon as the mutex is free.
  for (Hold* h = behind_; h != nullptr; h = h->behind_)
    if (conflicts(*h) && --h->in_the_way_ == 0) h->ready_->done();
}

unsigned RangeLock::count_in_the_way(const Hold& of) const {
  unsigned n = 0;
  for (const Hold* h = first_; h != nullptr; h = h->behind_) n += of.conflicts(*h);
  return n;
}

void RangeLock::append(Hold& hold) {
  hold.before_ = last_;
  (last_ != nullptr ? last_->behind_ : first_) = &hold;
  last_ = &hold;
}
