// Waiter: where a session's thread waits once it serves requests: for its client, for reads from the disk, for other
// threads, for time. Where else it waits, host/README.md says under "Threads". Requests that were put aside go on in
// each wait.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "session/inbox.hpp"
#include "session/pace.hpp"
#include "session/poller.hpp"
#include "session/ring.hpp"
#include "socket/socket.hpp"

namespace ashlar::host {

class ColdReads;
class Fibers;

class Waiter {
 public:
  // What ends a wait besides what is under way: input from the client, or nothing else but wake().
  enum class Watch : bool { client, event };

  explicit Waiter(Socket& socket) : socket_(&socket) {}
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // The client is waited for at `socket` from now on. [the session's thread]
  void wait_at(Socket& socket) { socket_ = &socket; }
  // What is under way on `ring` goes on, and replies of reads from the disk go out, in every wait from now on; null:
  // no longer. [the session's thread]
  void serve_meanwhile(Ring* ring, ColdReads* reads) {
    ring_ = ring;
    reads_ = reads;
  }
  // These go on in every wait from now on; null: there are none any more. [the session's thread]
  void set_fibers(Fibers* fibers) { fibers_ = fibers; }

  // Receives what comes into `inbox`, polling first where `poller` says so. Waits until something has come, a read from
  // the disk was done, a request that was put aside can go on, which it does, or Socket::patience is over. Returns as
  // Inbox::receive(). [the session's thread]
  ssize_t receive(Inbox& inbox, Poller& poller);
  // As receive(), but leaves what has come where it is; returns whether there is something. [the session's thread]
  bool for_input();
  // Whether requests are put aside, or have left replies that are not sent. [the session's thread]
  bool fibers_have_work() const;
  // For who sends while there are: waits until the client takes more, one can go on, or Socket::patience is over, and
  // has them go on. [the session's thread]
  void for_room();
  // Has those go on that can. [the session's thread]
  void resume_fibers();
  // A clock that stands still while requests that were put aside go on, as far as others want memory: for how long the
  // client is waited for. [the session's thread]
  Pace::Clock::time_point clients_clock() const;

  // Waits until `done()`. It is asked first, after each wake(), and every Socket::patience. [the session's thread]
  template <class Done>
  void until(Done done) {
    for (;;) {
      listening_.store(true, std::memory_order_seq_cst);  // before done() looks: what changes behind it wakes
      if (done()) break;
      wait_for_others();
    }
    listening_.store(false, std::memory_order_relaxed);
  }
  // Has until() ask again, and ends each wait beside requests that were put aside. Not one for the client alone: there
  // is nothing to be done then, as workers send their replies themselves. A stop is seen within Socket::patience. Costs
  // next to nothing when nobody waits. [any thread]
  void wake() noexcept;

 private:
  class Listening;
  void wait_for_others();
  bool ring_has_work() const;
  void look_at_ring();
  bool wait_with_ring(Watch what, int event, std::chrono::nanoseconds patience);
  bool turn_ring(Ring::Watched watched, std::chrono::nanoseconds patience);
  bool wait_beside_fibers(Watch what);
  bool poll(short events);
  int event();

  Socket* socket_;
  Ring* ring_ = nullptr;
  ColdReads* reads_ = nullptr;
  Fibers* fibers_ = nullptr;
  std::atomic<bool> listening_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  int event_ = -1;  // eventfd(2): wakes a thread that waits in the kernel; made when first needed
};

}  // namespace ashlar::host
