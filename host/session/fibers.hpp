// Fibers: those of one session, on its own thread. A call that waits is put aside there, and costs no thread; see
// ashlar.wait.
#pragma once
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "chain/activity.hpp"
#include "fiber/fiber.hpp"
#include "session/blocking_calls.hpp"
#include "session/memory_use.hpp"
#include "session/outlet.hpp"
#include "session/waiter.hpp"

namespace ashlar::host {

// Public members: [the session's thread, not on a fiber]
class Fibers final : private Fiber::Scheduler, private BlockingCalls::Resumer {
 public:
  // Bytes of memory that each counts as.
  static constexpr std::size_t counted = Stack::usually_used;

  // What it needs of its session and of the server, which outlives it.
  struct Needs {
    StackPool& stacks;
    MemoryUse& memory;
    Waiter& waiter;
    Outlet& outlet;
    Executor& executor;
    Workers& workers;
  };
  // From now on the waiter and the outlet have them go on in each wait.
  Fibers(const Needs& needs, std::shared_ptr<Activity> activity);
  ~Fibers();  // nothing is put aside
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;

  // What they block with goes over `ring`; null: there is none any more.
  void use(Ring* ring) { blocking_.use(ring); }

  // Whether one more call can be started. False: there is no stack or no memory to be had now. Throws std::bad_alloc.
  bool have_room();
  // Runs `call` until it is done or put aside. There is room.
  void start(Fiber::Call& call);

  bool any_aside() const { return aside_ != 0; }
  // Whether resume_and_send() will have something to do: some are put aside, or have left replies that are not sent.
  bool has_work() const { return any_aside() || needs_.outlet.has_gathered(); }
  // Goes on with all whose wait is over, and sends the replies that they leave.
  void resume_and_send();
  // Likewise, but leaves the replies: for who is sending.
  void resume_ready();
  // For how long nothing is to be done but by a wake; at most Socket::patience.
  std::chrono::nanoseconds patience();
  // Likewise for who is sending, and can send none of the replies that they have left.
  std::chrono::nanoseconds patience_of_sender();
  // How long they have gone on in all, as far as others wanted memory then. See Waiter::clients_clock().
  Fiber::Clock::duration taken() const { return taken_; }

  // Gives back the stacks of those at rest.
  void drop_those_at_rest();

 private:
  struct One;
  struct Sleeper {
    Fiber::Clock::time_point until;
    One* one;
    bool operator>(const Sleeper& other) const { return until > other.until; }
  };
  void ready(Fiber& fiber) noexcept override;       // [any thread]
  void ready_here(Fiber& fiber) noexcept override;  // [the session's thread, not on a fiber]
  // [on `fiber`]
  std::int64_t transfer(Fiber& fiber, const Transfer& what) noexcept override;
  void run_elsewhere(Fiber& fiber, void (*work)(void*) noexcept, void* argument) noexcept override;
  void add_ready(One& one);
  void make_one(Stack stack, std::shared_ptr<void> lease);
  One* take_ready();
  void resume_all();
  void run_waiting();
  void run_due(Fiber::Clock::time_point now);
  void have_all_look();
  template <class Go>
  void run_on(One& one, Go go);

  const Needs needs_;
  const std::shared_ptr<Activity> activity_;
  BlockingCalls blocking_;

  std::vector<std::unique_ptr<One>> all_;
  std::vector<One*> at_rest_;
  std::vector<Sleeper> sleepers_;  // a heap, whose first has to be resumed first
  std::size_t aside_ = 0;
  Fiber::Clock::duration taken_{};
  Fiber::Clock::time_point looked_;  // when all looked whether they were cancelled

  std::mutex mutex_;  // guards what follows
  One* first_ready_ = nullptr;
  One* last_ready_ = nullptr;
};

}  // namespace ashlar::host
