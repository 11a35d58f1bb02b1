// ExchangeGate: what requests pass on their way to layers that may be closed and opened anew.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

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

  // Shuts the gate and runs `change` when nobody is inside; then opens it. Who comes while another does that waits, and
  // has the same result. Not from inside. [any thread]
  template <class Change>
  std::int32_t change(Change change) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (shut_) {
      changed_.wait(lock, [this] { return !shut_; });
      return result_;
    }
    shut_ = true;
    changed_.wait(lock, [this] { return inside_ == 0; });
    lock.unlock();
    const std::int32_t result = change();
    lock.lock();
    result_ = result;
    shut_ = false;
    changed_.notify_all();
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned inside_ = 0;
  bool shut_ = false;
  std::int32_t result_ = 0;  // of the last change
};

}  // namespace ashlar::host
