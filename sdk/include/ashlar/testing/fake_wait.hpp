// FakeWait: the service ashlar.wait/1 for tests of a module. One switch cancels all calls.
#pragma once
#include <ashlar/abi.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <new>

namespace ashlar::testing {

// Keeps its address; outlives the layers that have it.
class FakeWait {
 public:
  FakeWait() = default;
  FakeWait(const FakeWait&) = delete;
  FakeWait& operator=(const FakeWait&) = delete;

  const ashlar_wait* services() const { return &services_; }

  // From now on all calls are cancelled; calls the hooks. [any thread]
  void cancel() {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    for (Ticket* ticket : tickets_) ticket->call_hook();
    changed_.notify_all();
  }
  // How many tickets have been begun and not been waited for. [any thread]
  std::size_t waiting() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return tickets_.size();
  }

 private:
  // What abi.h calls ashlar_ticket.
  struct Ticket {
    bool done = false;
    std::int64_t result = 0;
    void (*hook)(void*) ASHLAR_NOEXCEPT = nullptr;
    void* argument = nullptr;
    void call_hook() {
      if (hook != nullptr) hook(argument);
      hook = nullptr;
    }
  };
  static FakeWait& fake(void* self) { return *static_cast<FakeWait*>(self); }
  static Ticket* ours(ashlar_ticket* ticket) { return reinterpret_cast<Ticket*>(ticket); }

  static ashlar_ticket* begin(void* self) noexcept {
    auto* const ticket = new (std::nothrow) Ticket;
    if (ticket == nullptr) return nullptr;
    const std::lock_guard<std::mutex> lock(fake(self).mutex_);
    fake(self).tickets_.push_back(ticket);
    return reinterpret_cast<ashlar_ticket*>(ticket);
  }
  static void done(void* self, ashlar_ticket* ticket, std::int64_t result) noexcept {
    const std::lock_guard<std::mutex> lock(fake(self).done_mutex_);
    ours(ticket)->result = result;
    ours(ticket)->done = true;
    fake(self).done_.notify_all();
  }
  static std::int64_t wait(void* self, ashlar_ticket* ticket) noexcept {
    Ticket* const own = ours(ticket);
    {
      std::unique_lock<std::mutex> lock(fake(self).done_mutex_);
      fake(self).done_.wait(lock, [own] { return own->done; });
    }
    const std::lock_guard<std::mutex> lock(fake(self).mutex_);  // then its hook is not under way
    fake(self).tickets_.remove(own);
    const std::int64_t result = own->result;
    delete own;
    return result;
  }
  static void sleep_until(void* self, std::uint64_t nanoseconds) noexcept {
    const std::chrono::nanoseconds since_start(
        static_cast<std::int64_t>(std::min<std::uint64_t>(nanoseconds, INT64_MAX)));
    std::unique_lock<std::mutex> lock(fake(self).mutex_);
    fake(self).changed_.wait_until(lock, std::chrono::steady_clock::time_point(since_start),
                                   [self] { return fake(self).cancelled_; });
  }
  static std::int32_t cancelled(void* self) noexcept {
    const std::lock_guard<std::mutex> lock(fake(self).mutex_);
    return fake(self).cancelled_ ? 1 : 0;
  }
  static void on_cancel(void* self, ashlar_ticket* ticket, void (*hook)(void*) noexcept, void* argument) noexcept {
    const std::lock_guard<std::mutex> lock(fake(self).mutex_);
    ours(ticket)->hook = hook;
    ours(ticket)->argument = argument;
    if (fake(self).cancelled_) ours(ticket)->call_hook();
  }

  mutable std::mutex mutex_;  // also held while hooks are called
  std::condition_variable changed_;
  bool cancelled_ = false;
  std::list<Ticket*> tickets_;
  std::mutex done_mutex_;
  std::condition_variable done_;
  const ashlar_wait services_{sizeof(ashlar_wait), 0, this, &begin, &done, &wait, &sleep_until, &cancelled, &on_cancel};
};

}  // namespace ashlar::testing
