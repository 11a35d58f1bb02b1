// Lent: the store of which a device has lent bytes. It stays open until the device is closed, also when a discard has
// put another in its place. Then the device lends no more, so that it never keeps a second one.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "store.hpp"

// [any thread]
class Lent {
 public:
  // Whether keep() would take it.
  bool may_keep(const Store* store) const noexcept {
    const Store* const kept = kept_.load(std::memory_order_acquire);
    return kept == nullptr || kept == store;
  }
  // Something of `store` is lent. False: it may not be, for another one is kept.
  bool keep(const std::shared_ptr<Store>& store) noexcept {
    if (kept_.load(std::memory_order_acquire) == store.get()) return true;
    const std::lock_guard lock(mutex_);
    if (store_ == nullptr) {
      store_ = store;
      kept_.store(store.get(), std::memory_order_release);
    }
    return store_ == store;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<Store> store_;
  std::atomic<const Store*> kept_{nullptr};  // store_
};
