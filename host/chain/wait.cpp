#include "chain/wait.hpp"

#include <chrono>
#include <new>

#include "chain/activity.hpp"
#include "chain/cancellation.hpp"

namespace ashlar::host {
namespace {

// What may cancel the calling thread's call; null: nothing.
Cancellation* cancellation() {
  const Note* const note = detail::this_threads_note;
  return note != nullptr ? note->cancellation() : nullptr;
}

ashlar_ticket* begin(void*) noexcept { return new (std::nothrow) ashlar_ticket(cancellation()); }

void done(void*, ashlar_ticket* ticket, std::int64_t result) noexcept { ticket->done(result); }

std::int64_t wait(void*, ashlar_ticket* ticket) noexcept {
  const std::int64_t result = ticket->wait();
  delete ticket;
  return result;
}

void on_cancel(void*, ashlar_ticket* ticket, void (*hook)(void*) noexcept, void* argument) noexcept {
  try {
    ticket->on_cancel(hook, argument);
  } catch (const std::bad_alloc&) {
    // It waits until it is done.
  }
}

std::int32_t cancelled(void*) noexcept {
  const Cancellation* const of = cancellation();
  return of != nullptr && of->cancelled() ? 1 : 0;
}

// A wait that ends by itself at a time.
class Sleep {
 public:
  static void until(std::chrono::steady_clock::time_point time) {
    Sleep sleep;
    ashlar_ticket ticket(host::cancellation());
    ticket.on_cancel(&Sleep::wake, &sleep);
    std::unique_lock<std::mutex> lock(sleep.mutex_);
    sleep.changed_.wait_until(lock, time, [&] { return sleep.awake_; });
    lock.unlock();
    ticket.done(0);
    ticket.wait();  // then the hook is not under way
  }

 private:
  static void wake(void* self) noexcept {
    auto& sleep = *static_cast<Sleep*>(self);
    const std::lock_guard<std::mutex> lock(sleep.mutex_);
    sleep.awake_ = true;
    sleep.changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = false;
};

void sleep_until(void*, std::uint64_t nanoseconds) noexcept {
  constexpr std::uint64_t latest = INT64_MAX;
  const std::chrono::nanoseconds since_start(static_cast<std::int64_t>(std::min(nanoseconds, latest)));
  try {
    Sleep::until(std::chrono::steady_clock::time_point(since_start));
  } catch (const std::bad_alloc&) {
    // Too short a sleep rather than one that nothing ends.
  }
}

constexpr ashlar_wait services{.struct_size = sizeof(ashlar_wait),
                               .reserved = 0,
                               .self = nullptr,
                               .begin = &begin,
                               .done = &done,
                               .wait = &wait,
                               .sleep_until = &sleep_until,
                               .cancelled = &cancelled,
                               .on_cancel = &on_cancel};

}  // namespace

const ashlar_wait& wait_services() { return services; }

}  // namespace ashlar::host
