// Turn: who may use what several threads use one at a time. Others may go on without it.
#pragma once
#include <atomic>

class Turn {
 public:
  // Whether it is the caller's now. A thread that has left something for who has it finds it given back, or is seen
  // by him behind give_back().
  bool try_take() noexcept { return !taken_.exchange(true, std::memory_order_acq_rel); }
  // Waits for it.
  void take() noexcept {
    while (!try_take()) taken_.wait(true, std::memory_order_relaxed);
  }
  void give_back() noexcept {
    static_cast<void>(taken_.exchange(false, std::memory_order_acq_rel));
    taken_.notify_one();
  }

 private:
  std::atomic<bool> taken_ = false;
};
