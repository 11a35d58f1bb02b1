// Ring: what the kernel does for a session's thread meanwhile, over an io_uring(7): reads and writes, which go to it
// together and cost no thread each. Opened when it is first used.
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
    // It has ended. `result`: the system call's, or an errno number below 0. [within reap_one()]
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
  // It is submitted by submit() or wait(); `operation` keeps its place until it has ended.
  void begin(Operation& operation, const Transfer& what);

  bool any() const { return under_way_ != 0; }
  // How many have ended.
  std::uint64_t ended() const { return ended_; }

  // Submits what was begun, and lets end what can, without waiting.
  void submit();
  // Submits what was begun, and waits until something has ended, or what is watched is there, or `patience` is over.
  void wait(Watched watched, std::chrono::nanoseconds patience);
  // Tells an operation that it has ended; sets `input` if there is some. False: there is
  // nothing to tell.
  bool reap_one(bool& input);

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

  std::atomic<bool>& forbidden_;
  std::unique_ptr<io_uring, Closer> ring_;
  Watch input_, room_, event_;
  unsigned under_way_ = 0;
  std::uint64_t ended_ = 0;
};

}  // namespace ashlar::host
