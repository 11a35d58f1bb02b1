// Losses: whether writes that a server has acknowledged may be gone, because the connection to it was lost before a
// flush. Whoever flushes next is told, once for each device.
#pragma once
#include <algorithm>
#include <cstdint>
#include <mutex>

// [any thread, does not block]
class Losses {
 public:
  // A write, trim or zero has succeeded that is not durable by itself.
  void changed() {
    const std::lock_guard lock(mutex_);
    ++changes_;
  }
  // What a flush that begins now covers, if it succeeds.
  std::uint64_t covered() const {
    const std::lock_guard lock(mutex_);
    return changes_;
  }
  void flushed(std::uint64_t covered) {
    const std::lock_guard lock(mutex_);
    flushed_ = std::max(flushed_, covered);
  }
  bool unflushed() const {
    const std::lock_guard lock(mutex_);
    return changes_ > flushed_;
  }
  // The connection is lost. Whether changes may be lost with it.
  bool lost() {
    const std::lock_guard lock(mutex_);
    if (changes_ == flushed_) return false;
    flushed_ = changes_;
    ++losses_;
    return true;
  }

  // Whether nobody has been told of the last loss.
  bool untold() const {
    const std::lock_guard lock(mutex_);
    return told_ != losses_;
  }

  // What a device that is opened now has been told of: a loss that nobody has heard of yet is told to those who come
  // later, too.
  std::uint64_t told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  // How many losses there have been; they are told now.
  std::uint64_t tell() {
    const std::lock_guard lock(mutex_);
    return told_ = losses_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t changes_ = 0, flushed_ = 0;  // flushed_: so many of changes_ need no flush any more
  std::uint64_t losses_ = 0, told_ = 0;
};
