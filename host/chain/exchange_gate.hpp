// ExchangeGate: what requests pass on their way to layers that may be closed and opened anew.
#pragma once
#include <cstdint>
#include <mutex>

#include "chain/condition.hpp"

namespace ashlar::host {

class ExchangeGate {
 public:
  // Lets a request in, when the gate is open. False: it is not, and `may_wait` is false. [any thread]
  bool enter(bool may_wait) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (shut_ && !may_wait) return false;
    changed_.wait(lock, [this] { return !shut_; });
    ++inside_;
    return true;
  }
  void leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--inside_ == 0) changed_.notify_all();
  }

  // 1, and one more for each change that succeeded. [any thread]
  std::uint64_t generation() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return generation_;
  }

  // Shuts the gate and runs `change` when nobody is inside; then opens it. Who comes while another does that waits, and
  // has the same result. Does nothing when there has been a change since the generation was `seen`. Not from inside.
  // [any thread]
  template <class Change>
  std::int32_t change(std::uint64_t seen, Change change) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (shut_) {
      changed_.wait(lock, [this] { return !shut_; });
      return result_;
    }
    if (generation_ > seen && result_ == 0) return 0;
    shut_ = true;
    changed_.wait(lock, [this] { return inside_ == 0; });
    lock.unlock();
    const std::int32_t result = change();
    lock.lock();
    result_ = result;
    if (result == 0) ++generation_;
    shut_ = false;
    changed_.notify_all();
    return result;
  }

 private:
  std::mutex mutex_;
  Condition changed_;
  unsigned inside_ = 0;
  bool shut_ = false;
  std::int32_t result_ = 0;  // of the last change
  std::uint64_t generation_ = 1;
};

}  // namespace ashlar::host
