// SyncErrors: the errors of the calls that make data durable, on one descriptor. The kernel tells of data that it could
// not write only once: to the call that looks first, whoever's data they were. So a call that was told nothing has
// succeeded only when none that was under way beside it has been told something.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace ashlar::fileops {

// [any thread]
class SyncErrors {
 public:
  // A syncing call, from before its system call until it is known what has become of it. A thread has one at most.
  class Call {
   public:
    explicit Call(SyncErrors& errors) : errors_(errors) { errors_.begin(*this); }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    // Without end(): it was no syncing call after all.
    ~Call() {
      if (under_way_) errors_.end(*this, false);
    }
    // Called when the system call has returned, and its error, if any, was remembered. Waits until all calls that began
    // before this one returned have ended, too. Returns the first error that any call ever met, or 0.
    int end() { return errors_.end(*this, true); }

   private:
    friend SyncErrors;
    SyncErrors& errors_;
    std::uint64_t number_ = 0;
    bool under_way_ = true;
    Call* before_ = nullptr;  // of those under way
    Call* after_ = nullptr;
  };

  // The first error that any call met, an errno; 0: none. It stays.
  int first() const { return first_.load(std::memory_order_relaxed); }
  // Called by a call that is still under way. Returns whether it is the first error.
  bool remember(int error);

  // How many calls wait for others to end; for tests.
  std::size_t waiting() const;

 private:
  void begin(Call& call);
  int end(Call& call, bool wait);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t begun_ = 0;
  Call* oldest_ = nullptr;  // of those under way, in the order in which they began
  Call* newest_ = nullptr;
  std::size_t waiting_ = 0;
  std::atomic<int> first_{0};
};

}  // namespace ashlar::fileops
