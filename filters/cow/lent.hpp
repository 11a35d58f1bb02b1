// Lent: the stores of which a device has lent bytes. They stay open until it is closed, also those that a discard has
// replaced.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "store.hpp"

// [any thread]
class Lent {
 public:
  // Something of `store` may be lent from now on. False: there is no memory to keep it.
  bool keep(const std::shared_ptr<Store>& store) noexcept {
    if (last_.load(std::memory_order_acquire) == store.get()) return true;
    const std::lock_guard lock(mutex_);
    try {
      stores_.push_back(store);
    } catch (const std::bad_alloc&) {
      return false;
    }
    last_.store(store.get(), std::memory_order_release);
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Store>> stores_;
  std::atomic<const Store*> last_{nullptr};
};
