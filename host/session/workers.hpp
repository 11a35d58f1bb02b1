// Workers: how many requests of all clients together, and calls that requests on fibers block with, may run on threads
// of their own. A place is taken in Jobs::take_place() and BlockingCalls::start(), and given back by who has it: in
// next() of either, when no thread was to be had, and for a while in Outlet::send_all(), when the client is waited for.
// Not to be confused with Places, which are an export's.
#pragma once
#include <atomic>

namespace ashlar::host {

// All members: [any thread]
class Workers {
 public:
  explicit Workers(unsigned most) : most_(most), free_(static_cast<int>(most)) {}

  unsigned most() const { return most_.load(std::memory_order_relaxed); }
  // Places that are taken stay so, also those beyond a smaller number.
  void set_most(unsigned most) {
    const unsigned before = most_.exchange(most, std::memory_order_relaxed);
    free_.fetch_add(static_cast<int>(most) - static_cast<int>(before), std::memory_order_release);
  }
  // How many places are taken.
  unsigned busy() const {
    const int busy = static_cast<int>(most()) - free_.load(std::memory_order_relaxed);
    return busy > 0 ? static_cast<unsigned>(busy) : 0;
  }
  // Takes a place; false: all are taken.
  bool take() {
    int free = free_.load(std::memory_order_relaxed);
    while (free > 0)
      if (free_.compare_exchange_weak(free, free - 1, std::memory_order_acquire, std::memory_order_relaxed))
        return true;
    return false;
  }
  void give_back() { free_.fetch_add(1, std::memory_order_release); }
  // A request begins to wait for a worker, or for one of its connection's requests to be done, or waits no more.
  void waits() { waiting_.fetch_add(1, std::memory_order_relaxed); }
  void waited() { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  // How many do.
  unsigned waiting() const { return waiting_.load(std::memory_order_relaxed); }
  // Takes a place again that was given back for a while, even if that makes one too many.
  void retake() { free_.fetch_sub(1, std::memory_order_acquire); }

 private:
  std::atomic<unsigned> most_;
  std::atomic<unsigned> waiting_{0};
  std::atomic<int> free_;  // below 0 while some were retaken beyond the limit, or that has become smaller
};

}  // namespace ashlar::host
