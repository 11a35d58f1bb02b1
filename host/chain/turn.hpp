// Turn: one call at a time into the layers of an export, when one of them wants it so.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace ashlar::host {

// As a std::mutex, and more. [any thread]
class Turn {
 public:
  void lock() {
    std::unique_lock<std::mutex> lock(mutex_);
    free_.wait(lock, [this] { return !taken_; });
    taken_ = true;
  }
  bool try_lock() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (taken_) return false;
    return taken_ = true;
  }
  // As lock(), but false when `gives_up` says so while it has to wait.
  template <class GivesUp>
  bool lock_unless(GivesUp gives_up) {
    constexpr std::chrono::milliseconds between_looks{100};
    std::unique_lock<std::mutex> lock(mutex_);
    while (taken_) {
      free_.wait_for(lock, between_looks);
      if (gives_up()) {
        free_.notify_one();  // it may have been this one that was told
        return false;
      }
    }
    return taken_ = true;
  }
  void unlock() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      taken_ = false;
    }
    free_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
};

}  // namespace ashlar::host
