// Ring: what the kernel does for a session's thread meanwhile, over an io_uring(7): reads and writes, which go to it
// together and cost no thread each. Opened when it is first used. Most of its turns are the Waiter's: what was begun is
// submitted there, and what has ended is told there.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "fiber/transfer.hpp"

struct io_uring;

namespace ashlar::host {

// All members are for one thread only: the kernel wants it so.
class Ring {
 public:
  class Operation {
   public:
    // It has ended. `result`: the system call's, or an errno number below 0. [within turn(), look() or reap_all()]
    virtual void ended(int result) noexcept = 0;

   protected:
    ~Operation() = default;
  };
  // What ends a wait besides an operation's end; -1: nothing.
  struct Watched {
    int input = -1;  // a client's socket: something can be received there
    int room = -1;   // likewise: something can be sent
    int event = -1;  // an eventfd(2) that was written to
  };

  // `forbidden` is set where the system does not allow io_uring, so that nobody tries again.
  explicit Ring(std::atomic<bool>& forbidden);
  ~Ring();  // waits for what is under way
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Whether begin() can be called; false: not now, or never.
  bool can_begin();
  // It is submitted in the next turn, or when many have been begun; `operation` keeps its place until it has ended.
  void begin(Operation& operation, const Transfer& what);

  bool any() const { return under_way_ != 0; }

  // Submits what was begun, waits until something has ended, or what is watched is there, or `patience` is over, and
  // tells a few operations that they have ended. Returns whether there is input.
  bool turn(Watched watched, std::chrono::nanoseconds patience);
  // Likewise, without waiting for anything: submits, too.
  bool look();
  // Likewise, and tells all that have ended by now.
  void reap_all();

 private:
  struct Closer {
    void operator()(io_uring* ring) const;
  };
  bool open();
  struct Watch {
    const unsigned events;
    bool set = false;
  };
  void watch(int descriptor, Watch& watch);
  void submit();
  void wait(Watched watched, std::chrono::nanoseconds patience);
  bool reap_one(bool& input);
  void reap(std::uint64_t before, bool& input);
  void reap_what_follows(std::uint64_t before, bool& input);

  std::atomic<bool>& forbidden_;
  std::unique_ptr<io_uring, Closer> ring_;
  Watch input_, room_, event_;
  unsigned under_way_ = 0;
  std::uint64_t ended_ = 0;  // how many have
};

}  // namespace ashlar::host
