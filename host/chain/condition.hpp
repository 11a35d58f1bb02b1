// Condition: as std::condition_variable, and for calls on fibers, too, which are put aside while they wait.
#pragma once
#include <condition_variable>
#include <mutex>
#include <utility>

#include "fiber/fiber.hpp"

namespace ashlar::host {

class Condition {
 public:
  // Waits until `done()`, which is asked under the lock.
  template <class Done>
  void wait(std::unique_lock<std::mutex>& lock, Done done) {
    Fiber* const fiber = Fiber::current();
    if (fiber == nullptr) return threads_.wait(lock, done);
    while (!done()) {
      Aside aside;
      aside.fiber = fiber;
      aside.next = std::exchange(first_, &aside);
      lock.unlock();
      fiber->park(aside);
      lock.lock();
    }
  }
  // All that wait ask again. [under the lock]
  void notify_all() noexcept {
    threads_.notify_all();
    for (Aside* one = std::exchange(first_, nullptr); one != nullptr;)
      std::exchange(one, one->next)->fiber->ready();  // with that it may be gone
  }

 private:
  struct Aside final : Fiber::Waited {
    bool look() noexcept override { return false; }
    Fiber* fiber = nullptr;
    Aside* next = nullptr;
  };

  std::condition_variable threads_;
  Aside* first_ = nullptr;
};

}  // namespace ashlar::host
