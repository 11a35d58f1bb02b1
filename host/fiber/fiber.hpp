// Fiber: a line of calls that can be put aside while they wait, so that its thread runs others meanwhile. It has a
// stack of its own, and stays with the thread that began it.
#pragma once
#include <chrono>
#include <utility>

#include <boost/context/fiber.hpp>

#include "fiber/sanitizers.hpp"
#include "fiber/stack_pool.hpp"
#include "fiber/transfer.hpp"

namespace ashlar::host {

class Fiber {
 public:
  using Clock = std::chrono::steady_clock;

  // What runs on a fiber, from its beginning to its end.
  class Call {
   public:
    virtual void run_on_fiber() noexcept = 0;

   protected:
    ~Call() = default;
  };
  // Whoever resumes fibers that were put aside.
  class Scheduler {
   public:
    // `fiber` is to be resumed. Once for each time that it is put aside, also before it is. [any thread]
    virtual void ready(Fiber& fiber) noexcept = 0;
    // See Fiber: `fiber` is put aside while it is done. [on it]
    virtual std::int64_t transfer(Fiber& fiber, const Transfer& what) noexcept = 0;
    virtual void run_elsewhere(Fiber& fiber, void (*work)(void*) noexcept, void* argument) noexcept = 0;

   protected:
    ~Scheduler() = default;
  };
  // What a fiber that was put aside waits for.
  class Waited {
   public:
    // Has it look whether the call was cancelled. True: the wait is over. [the fiber's thread, not on a fiber]
    virtual bool look() noexcept = 0;

   protected:
    ~Waited() = default;
  };

  // While it lives, the calling thread is taken to be on no fiber: what waits blocks it. [on a fiber, or on none]
  class Off {
   public:
    Off() : off_(std::exchange(on_this_thread, nullptr)) {}
    ~Off() { on_this_thread = off_; }
    Off(const Off&) = delete;
    Off& operator=(const Off&) = delete;

   private:
    Fiber* const off_;
  };

  // At rest. `stack`: goes back to `stacks`.
  Fiber(StackPool& stacks, Stack stack, Scheduler& scheduler);
  ~Fiber();  // it is at rest
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The one that the calling thread is on; null: none.
  static Fiber* current() { return on_this_thread; }

  // Runs `call`, on a fiber at rest; returns when it is done or put aside. [its thread, not on a fiber]
  void start(Call& call);
  // Goes on with what was put aside; returns as start(). [its thread, not on a fiber]
  void resume();
  // Whether nothing is under way on it.
  bool is_at_rest() const { return call_ == nullptr; }
  // Of one that is put aside.
  Waited& waited() const { return *waited_; }
  Clock::time_point until() const { return until_; }

  // Puts the calling fiber aside, until it is resumed: when ready() was called, when it is `until`, or when `what` says
  // that the wait is over. [on it]
  void park(Waited& what, Clock::time_point until = Clock::time_point::max());
  // Makes it, while the fiber is put aside. [on it]
  std::int64_t transfer(const Transfer& what) noexcept { return scheduler_.transfer(*this, what); }
  // Has `work(argument)` called by a thread that may block, while the fiber is put aside. [on it]
  void run_elsewhere(void (*work)(void*) noexcept, void* argument) noexcept {
    scheduler_.run_elsewhere(*this, work, argument);
  }
  // Has its scheduler resume it. [any thread]
  void ready() noexcept { scheduler_.ready(*this); }

 private:
  // What the language keeps of exceptions for each thread: a call that waits within a handler must find its own.
  struct Exceptions {
    void* caught = nullptr;
    unsigned uncaught = 0;
  };

  void run_calls();
  void leave();

  // A debugger finds them here, see host/README.md; these stand first.
  static Fiber* first;
  Fiber* next_ = nullptr;
  Fiber* previous_ = nullptr;
  boost::context::fiber here_;  // while it is at rest or put aside

  [[gnu::tls_model("initial-exec")]] static constinit thread_local Fiber* on_this_thread;

  StackPool& stacks_;
  const Stack stack_;
  Scheduler& scheduler_;
  boost::context::fiber back_;  // to its thread, while it runs
  sanitizers::Line line_, threads_line_;
  Exceptions exceptions_;
  Call* call_ = nullptr;
  bool ends_ = false;
  Waited* waited_ = nullptr;
  Clock::time_point until_;
};

}  // namespace ashlar::host
