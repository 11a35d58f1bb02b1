// Cancellation: tells the calls of one connection that nobody wants their answers any more.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>

namespace ashlar::host {
class Cancellation;
}

// One wait of a call; see abi.h. [done(): any thread; all else: the call's thread]
struct ashlar_ticket {
 public:
  // `of`: what may cancel the call; null: nothing. Outlives the ticket.
  explicit ashlar_ticket(ashlar::host::Cancellation* of) : of_(of) {}
  ashlar_ticket(const ashlar_ticket&) = delete;
  ashlar_ticket& operator=(const ashlar_ticket&) = delete;

  void done(std::int64_t result) noexcept;
  // Waits for done(). No hook runs any more when it returns.
  std::int64_t wait() noexcept;
  // Throws std::bad_alloc: the hook is not called then.
  void on_cancel(void (*hook)(void*) noexcept, void* argument);

 private:
  friend class ashlar::host::Cancellation;
  void cancel() noexcept;

  ashlar::host::Cancellation* const of_;
  void (*hook_)(void*) noexcept = nullptr;
  void* argument_ = nullptr;
  bool listed_ = false;  // of_ knows it, at place_
  std::list<ashlar_ticket*>::iterator place_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::int64_t result_ = 0;
};

namespace ashlar::host {

class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Nobody wants the answers of the calls under way, nor of those to come. Calls the hooks. [any thread]
  void cancel() noexcept;
  // [any thread]
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  friend struct ::ashlar_ticket;
  void enlist(ashlar_ticket& ticket);
  void strike(ashlar_ticket& ticket) noexcept;

  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;                   // also held while hooks are called, so that strike() waits for them
  std::list<ashlar_ticket*> tickets_;  // whose hooks have not been called
};

}  // namespace ashlar::host
