#include "range_lock.hpp"

RangeLock::Hold::Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode)
    : lock_(lock), begin_(begin), end_(end), mode_(mode) {
  std::unique_lock guard(lock_.mutex_);
  in_the_way_ = lock_.count_in_the_way(*this);
  lock_.append(*this);
  ready_.wait(guard, [this] { return in_the_way_ == 0; });
  held_ = true;
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
    if (conflicts(*h) && --h->in_the_way_ == 0) h->ready_.notify_one();
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
