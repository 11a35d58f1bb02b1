#include "chain/wait.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "chain/activity.hpp"
#include "chain/cancellation.hpp"
#include "fiber/fiber.hpp"

namespace {

using Clock = std::chrono::steady_clock;

using ashlar::host::Fiber;

// A thread that waits looks so often whether the call has been cancelled.
constexpr std::chrono::milliseconds between_looks{100};

// What may cancel the calling thread's call; null: nothing.
ashlar::host::Cancellation* cancellation() {
  const ashlar::host::Note* const note = ashlar::host::detail::this_threads_note;
  return note != nullptr ? note->cancellation() : nullptr;
}

bool is_cancelled(ashlar::host::Cancellation* of) { return of != nullptr && of->cancelled(); }

}  // namespace

// One wait of a call; see abi.h. [done(): any thread; all else: the call's]
struct ashlar_ticket final : private Fiber::Waited {
 public:
  void done(std::int64_t result) noexcept {
    Fiber* aside = nullptr;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
      result_ = result;
      aside = aside_;
      if (aside == nullptr) changed_.notify_one();  // under the lock: behind it the ticket may be gone
    }
    if (aside != nullptr) aside->ready();  // until then it keeps the ticket
  }
  std::int64_t wait() noexcept {
    Fiber* const fiber = Fiber::current();
    return fiber != nullptr ? wait_on(*fiber) : wait_on_thread();
  }
  // Calls the hook when the call has been cancelled, once.
  bool look() noexcept override {
    if (hook_ != nullptr && is_cancelled(of_)) std::exchange(hook_, nullptr)(argument_);
    return false;  // the wait ends with done()
  }
  void on_cancel(void (*hook)(void*) noexcept, void* argument) noexcept {
    hook_ = hook;
    argument_ = argument;
    look();
  }

 private:
  std::int64_t wait_on(Fiber& fiber) noexcept {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (done_) return result_;
      aside_ = &fiber;
    }
    fiber.park(*this);
    return result_;
  }
  std::int64_t wait_on_thread() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!changed_.wait_for(lock, between_looks, [this] { return done_; })) {
      lock.unlock();
      look();
      lock.lock();
    }
    return result_;
  }

  ashlar::host::Cancellation* const of_ = cancellation();
  void (*hook_)(void*) noexcept = nullptr;
  void* argument_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  Fiber* aside_ = nullptr;  // that waits
  bool done_ = false;
  std::int64_t result_ = 0;
};

namespace ashlar::host {
namespace {

// A fiber that waits for time.
struct Sleep final : Fiber::Waited {
  explicit Sleep(Cancellation* cancellation) : of(cancellation) {}
  bool look() noexcept override { return is_cancelled(of); }
  Cancellation* const of;
};

ashlar_ticket* begin(void*) noexcept { return new (std::nothrow) ashlar_ticket; }

void done(void*, ashlar_ticket* ticket, std::int64_t result) noexcept { ticket->done(result); }

std::int64_t wait(void*, ashlar_ticket* ticket) noexcept {
  const std::int64_t result = ticket->wait();
  delete ticket;
  return result;
}

void on_cancel(void*, ashlar_ticket* ticket, void (*hook)(void*) noexcept, void* argument) noexcept {
  ticket->on_cancel(hook, argument);
}

std::int32_t cancelled(void*) noexcept { return is_cancelled(cancellation()) ? 1 : 0; }

void sleep_until(void*, std::uint64_t nanoseconds) noexcept {
  constexpr std::uint64_t latest = INT64_MAX;
  const Clock::time_point end{std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(nanoseconds, latest)))};
  Cancellation* const of = cancellation();
  if (Fiber* const fiber = Fiber::current()) {
    Sleep sleep(of);
    fiber->park(sleep, end);
    return;
  }
  while (Clock::now() < end && !is_cancelled(of)) {
    // Apart from each other: the latest time there is cannot be reckoned with.
    const bool soon = end - Clock::now() < between_looks;
    std::this_thread::sleep_until(soon ? end : Clock::now() + between_looks);
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
