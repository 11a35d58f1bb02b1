// RangeLock: who may change which bytes of an export at the same time.
#pragma once
#include <ashlar/wait.hpp>
#include <cstdint>
#include <mutex>
#include <optional>

// Holders of overlapping ranges run together if both are shared, else one after the other, in the order of their
// coming, so that nobody starves. Ranges that do not overlap never wait for each other. The nodes live on their
// holders' stacks, in one list in the order of their coming; a node may run when none before it is in its way.
class RangeLock {
 public:
  enum class Mode { shared, exclusive };

  explicit RangeLock(const ashlar::Wait& wait) : wait_(wait) {}

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
    std::optional<ashlar::Wait::Ticket> ready_;  // done when nobody is in the way any more; if somebody was
  };

 private:
  unsigned count_in_the_way(const Hold& of) const;
  void append(Hold& hold);

  const ashlar::Wait wait_;
  std::mutex mutex_;  // never held while a request runs
  Hold* first_ = nullptr;
  Hold* last_ = nullptr;
};
