// Gate: who may be in the layers below at the same time.
#pragma once
#include <ashlar/status.hpp>
#include <ashlar/wait.hpp>
#include <list>
#include <mutex>

namespace ashlar::fault {

// Many may be within together, or one who is alone; who comes while that cannot be waits, in the order of their coming.
// [any thread; enter(): within a call of the host into the layer]
class Gate {
 public:
  enum class Mode { together, alone };

  // `shut`: somebody is alone within from the start, who leaves by leave(Mode::alone).
  explicit Gate(const Wait& wait, bool shut = false) : wait_(wait), alone_(shut) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Success: it is within, and leaves by leave(). ECANCELED: nobody wants the answer of the call any more; ENOMEM.
  Status enter(Mode mode) noexcept;
  // Whether it is within, without waiting.
  bool try_enter(Mode mode) noexcept;
  void leave(Mode mode) noexcept;

 private:
  struct Waiter {
    Gate& gate;
    const Mode mode;
    Wait::Ticket ticket;
    std::list<Waiter*>::iterator place{};
    bool settled = false;  // done() was called
  };
  static void give_up(void* waiter) noexcept;
  // With the mutex held.
  bool take(Mode mode);
  void admit() noexcept;

  const Wait wait_;
  std::mutex mutex_;
  std::size_t together_ = 0;
  bool alone_;
  std::list<Waiter*> waiting_;  // none of them can be let in but by a leave()
};

}  // namespace ashlar::fault
