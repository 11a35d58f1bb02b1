// BlockingCalls: what calls on fibers block with (ashlar.blocking/1), done while the fiber is put aside: reads and
// writes over the ring, where there is one, all else by workers.
#pragma once
#include <cstdint>
#include <mutex>

#include "fiber/fiber.hpp"
#include "session/executor.hpp"
#include "session/ring.hpp"
#include "session/workers.hpp"

namespace ashlar::host {

// Of one session.
class BlockingCalls {
 public:
  // Whoever resumes the session's fibers, on its thread.
  class Resumer {
   public:
    // `fiber` is to be resumed. [the session's thread, not on a fiber]
    virtual void ready_here(Fiber& fiber) noexcept = 0;

   protected:
    ~Resumer() = default;
  };

  BlockingCalls(Resumer& resumer, Executor& executor, Workers& workers)
      : resumer_(resumer), executor_(executor), workers_(workers) {}
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  // Null: there is none any more. [the session's thread]
  void use(Ring* ring) { ring_ = ring; }

  // See Fiber::Scheduler. [on `fiber`, which is of this session]
  std::int64_t transfer(Fiber& fiber, const Transfer& what) noexcept;
  void run(Fiber& fiber, void (*work)(void*) noexcept, void* argument) noexcept;

 private:
  class Errand;
  class OnRing;
  bool start(Errand& errand) noexcept;
  Errand* next() noexcept;

  Resumer& resumer_;
  Executor& executor_;
  Workers& workers_;
  Ring* ring_ = nullptr;

  std::mutex mutex_;                 // guards what follows
  unsigned places_ = 0;              // among the workers, that errands of this session have
  Errand* first_waiting_ = nullptr;  // for one of these places, oldest first
  Errand* last_waiting_ = nullptr;
};

}  // namespace ashlar::host
