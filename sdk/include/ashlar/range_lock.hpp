// RangeLock: who may change which bytes of an export at the same time, for filters that have to read before they write.
#pragma once
#include <ashlar/wait.hpp>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>

namespace ashlar {

// Holders of overlapping ranges run together if both are shared, else one after the other, in the order of their
// coming, so that nobody starves. Ranges that do not overlap never wait for each other. The nodes live on their
// holders' stacks, in one list in the order of their coming; a node may run when none before it is in its way.
class RangeLock {
 public:
  enum class Mode { shared, exclusive };

  explicit RangeLock(const Wait& wait) : wait_(wait) {}

  // Holds [begin, end) until it goes out of scope.
  class Hold {
   public:
    // Waits, unless there is no memory left to do so: see held().
    Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode);
    // Does not wait: see held().
    Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode, std::try_to_lock_t);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    bool held() const { return held_; }

   private:
    friend class RangeLock;
    bool conflicts(const Hold& other) const {
      return begin_ < other.end_ && other.begin_ < end_ && (mode_ == Mode::exclusive || other.mode_ == Mode::exclusive);
    }
    RangeLock& lock_;
    const std::uint64_t begin_, end_;
    const Mode mode_;
    bool held_ = false;
    unsigned in_the_way_ = 0;  // those that came before and conflict
    Hold* before_ = nullptr;
    Hold* behind_ = nullptr;
    std::optional<Wait::Ticket> ready_;  // done when nobody is in the way any more; if somebody was
  };

 private:
  unsigned count_in_the_way(const Hold& of) const;
  void append(Hold& hold);

  const Wait wait_;
  std::mutex mutex_;  // never held while a request runs
  Hold* first_ = nullptr;
  Hold* last_ = nullptr;
};

inline RangeLock::Hold::Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode)
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

inline RangeLock::Hold::Hold(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode, std::try_to_lock_t)
    : lock_(lock), begin_(begin), end_(end), mode_(mode) {
  const std::lock_guard guard(lock_.mutex_);
  if (lock_.count_in_the_way(*this) != 0) return;
  lock_.append(*this);
  held_ = true;
}

inline RangeLock::Hold::~Hold() {
  if (!held_) return;
  const std::lock_guard guard(lock_.mutex_);
  (before_ != nullptr ? before_->behind_ : lock_.first_) = behind_;
  (behind_ != nullptr ? behind_->before_ : lock_.last_) = before_;
  // Under the mutex: a woken holder may finish, and its node be gone, as soon as the mutex is free.
  for (Hold* h = behind_; h != nullptr; h = h->behind_)
    if (conflicts(*h) && --h->in_the_way_ == 0) h->ready_->done();
}

inline unsigned RangeLock::count_in_the_way(const Hold& of) const {
  unsigned n = 0;
  for (const Hold* h = first_; h != nullptr; h = h->behind_) n += of.conflicts(*h);
  return n;
}

inline void RangeLock::append(Hold& hold) {
  hold.before_ = last_;
  (last_ != nullptr ? last_->behind_ : first_) = &hold;
  last_ = &hold;
}

}  // namespace ashlar
