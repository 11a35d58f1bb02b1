// ByteLimit: how many bytes the requests of a layer may have in buffers of their own at once. So many requests may wait
// on fibers that each of them having a buffer would be too much.
#pragma once
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "wakeup.hpp"

namespace ashlar::fileops {

// Who holds a share must not wait for anybody who may wait for one. [any thread]
class ByteLimit {
 public:
  ByteLimit(std::optional<Wait> wait, std::uint64_t most) : wait_(wait), most_(most) {}

  // How many have been given out now.
  std::uint64_t used() const {
    const std::lock_guard lock(mutex_);
    return used_;
  }

  // So many bytes, from its construction to its end. More than there are to be had is granted to who is alone.
  class Share {
   public:
    // Waits for its turn, in the order of coming, if it may: see held().
    Share(ByteLimit& of, std::uint64_t bytes, bool may_wait = true)
        : of_(of), bytes_(bytes), held_(of.take(*this, may_wait)) {}
    ~Share() {
      if (held_) of_.give_back(bytes_);
    }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    // False: there was no memory to wait with, or it was not to wait.
    bool held() const { return held_; }

   private:
    friend class ByteLimit;
    ByteLimit& of_;
    const std::uint64_t bytes_;
    std::optional<Wakeup> woken_;  // done when it has its bytes; of one that waits
    Share* behind_ = nullptr;
    const bool held_;
  };

 private:
  bool has_room_for(std::uint64_t bytes) const { return used_ == 0 || (used_ <= most_ && bytes <= most_ - used_); }
  // Behind those that wait already. [under the mutex]
  bool take_now(std::uint64_t bytes) noexcept {
    if (first_ != nullptr || !has_room_for(bytes)) return false;
    used_ += bytes;
    return true;
  }
  bool take(Share& share, bool may_wait) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (take_now(share.bytes_)) return true;
      if (!may_wait) return false;
      try {
        share.woken_.emplace(wait_);
      } catch (const std::bad_alloc&) {
        return false;
      }
      (last_ != nullptr ? last_->behind_ : first_) = &share;
      last_ = &share;
    }
    share.woken_->wait();
    return true;
  }
  void give_back(std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    used_ -= bytes;
    while (first_ != nullptr && has_room_for(first_->bytes_)) {
      Share* const next = std::exchange(first_, first_->behind_);
      if (first_ == nullptr) last_ = nullptr;
      used_ += next->bytes_;
      next->woken_->done();  // with that it may be gone
    }
  }

  const std::optional<Wait> wait_;
  const std::uint64_t most_;
  mutable std::mutex mutex_;
  std::uint64_t used_ = 0;
  Share* first_ = nullptr;  // of those that wait, in the order of their coming
  Share* last_ = nullptr;
};

}  // namespace ashlar::fileops
