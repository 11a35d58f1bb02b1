// ByteLimit: how many bytes the requests of a layer may have in buffers of their own at once. So many requests may wait
// on fibers that each of them having a buffer would be too much. A connection that has none never waits for others, for
// what they ask of the layers below may hang, when what this one asks does not.
#pragma once
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>

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

  // One connection, or one call of a verb. Outlives its shares.
  class User {
    friend class ByteLimit;
    std::uint64_t used_ = 0;  // under the mutex of the limit
  };

  // So many bytes, from its construction to its end. A user that has none is granted them at once, also more than there
  // are to be had.
  class Share {
   public:
    // Waits for its turn, in the order of coming, if it may: see held().
    Share(ByteLimit& of, User& user, std::uint64_t bytes, bool may_wait = true)
        : of_(of), user_(user), bytes_(bytes), held_(of.take(*this, may_wait)) {}
    ~Share() {
      if (held_) of_.give_back(*this);
    }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    // False: there was no memory to wait with, or it was not to wait.
    bool held() const { return held_; }

   private:
    friend class ByteLimit;
    ByteLimit& of_;
    User& user_;
    const std::uint64_t bytes_;
    std::optional<Wakeup> woken_;  // done when it has its bytes; of one that waits
    Share* behind_ = nullptr;
    const bool held_;
  };

 private:
  // [under the mutex, as are the next two]
  bool has_room_for(std::uint64_t bytes) const { return used_ <= most_ && bytes <= most_ - used_; }
  void grant(Share& share) noexcept {
    used_ += share.bytes_;
    share.user_.used_ += share.bytes_;
  }
  // To the one that `at` leads to, which waits.
  void grant_waiting(Share*& at) noexcept {
    Share& share = *at;
    at = share.behind_;
    if (end_ == &share.behind_) end_ = &at;
    grant(share);
    share.woken_->done();  // with that it may be gone
  }
  bool take(Share& share, bool may_wait) noexcept {
    {
      const std::lock_guard lock(mutex_);
      // None of a user that has nothing waits.
      if (share.user_.used_ == 0 || (first_ == nullptr && has_room_for(share.bytes_))) {
        grant(share);
        return true;
      }
      if (!may_wait) return false;
      try {
        share.woken_.emplace(wait_);
      } catch (const std::bad_alloc&) {
        return false;
      }
      *end_ = &share;
      end_ = &share.behind_;
    }
    share.woken_->wait();
    return true;
  }
  void give_back(const Share& share) noexcept {
    const std::lock_guard lock(mutex_);
    User& user = share.user_;
    used_ -= share.bytes_;
    user.used_ -= share.bytes_;
    while (first_ != nullptr && has_room_for(first_->bytes_)) grant_waiting(first_);
    if (user.used_ != 0) return;
    for (Share** at = &first_; *at != nullptr; at = &(*at)->behind_)
      if (&(*at)->user_ == &user) return grant_waiting(*at);
  }

  const std::optional<Wait> wait_;
  const std::uint64_t most_;
  mutable std::mutex mutex_;
  std::uint64_t used_ = 0;
  Share* first_ = nullptr;  // of those that wait, in the order of their coming
  Share** end_ = &first_;   // where the next one is put
};

}  // namespace ashlar::fileops
