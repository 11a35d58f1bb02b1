// Outlet: the sending side of one connection. One thread at a time sends; replies of jobs that are posted meanwhile are
// sent by it, so that nobody waits for another's reply and no two replies mix.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "session/memory_use.hpp"
#include "session/pace.hpp"
#include "session/workers.hpp"
#include "socket/socket.hpp"

namespace ashlar::host {

class Waiter;

// A whole reply of a job. sent() is called when its bytes are no longer needed; `left`: all of them have been handed to
// the kernel. [all members: who sends, which may be any worker of the connection or its session's thread, not on a
// fiber; never under the outlet's lock]
class Posted {
 public:
  virtual std::span<std::byte> bytes() = 0;
  virtual void sent(bool left) noexcept = 0;
  Posted* next_posted = nullptr;  // the outlet's

 protected:
  ~Posted() = default;
};

class Outlet {
 public:
  // Which thread sends: the session's, or a worker, which has a place among Workers.
  enum class From : bool { session, worker };

  // `waits`: kept true while what is sent waits for the client. `pace`: how fast the client has to take it while others
  // want memory.
  Outlet(Socket& socket, Workers& workers, const MemoryUse& memory, std::atomic<bool>& waits, Pace pace = Pace())
      : socket_(socket), workers_(workers), memory_(memory), waits_(waits), pace_(pace) {}

  // Sends `bytes`; returns when they are taken: true; false: not all of them were. [the session's thread]
  bool send(std::span<const std::byte> bytes);
  // Likewise, several pieces, which are used up.
  bool send(std::span<iovec> parts);
  // What has become of lent bytes.
  struct Lent {
    int error = 0;      // the errno that reading the file ended with; EIO: it ends too early
    bool left = false;  // as many bytes as there were to be have been handed to the kernel
  };
  // Sends `header`, `length` bytes of `fd` from `offset`, in one piece. When reading `fd` fails, zeroes are sent in
  // place of the rest if `pad`, else the connection is broken. [the session's thread]
  Lent send_lent(std::span<const std::byte> header, int fd, std::uint64_t offset, std::size_t length, bool pad);
  // Sends a job's reply, now or by whoever is sending. A worker's place is given back while the client is waited for:
  // one that does not read must not keep workers from the others. [any thread]
  void post(Posted& reply, From from);

  // Keeps a reply for send_gathered(), or for whoever sends before, so that many leave at once. [the session's thread,
  // on a fiber, too]
  void gather(Posted& reply);
  // Whether some may wait for that. [the session's thread, on a fiber, too]
  bool has_gathered() const { return gathered_; }
  void send_gathered();  // [the session's thread]
  // How long the session's thread has sent in all, as far as others wanted memory then, by Waiter::clients_clock().
  // [the session's thread]
  Pace::Clock::duration time_of_sending() const { return time_of_sending_; }
  // While the session's thread waits here, requests that it has put aside go on; null: there are none. [the session's
  // thread]
  void set_waiter(Waiter* waiter) { waiter_ = waiter; }

  // Has the socket rest, unless somebody is sending; returns whether it does. [the session's thread]
  bool try_rest();

  // The client cannot be reached any more, or got a part of a reply and would wait for the rest for ever: what is sent
  // is dropped, and the connection is broken. [any thread]
  bool broken() const { return broken_.load(std::memory_order_relaxed); }
  // Whether it was broken because the client took its replies too slowly; see Pace. [any thread]
  bool too_slow() const { return too_slow_.load(std::memory_order_relaxed); }

 private:
  class Timing;
  class Sending;
  void append(Posted& reply);
  void wait_for_turn(std::unique_lock<std::mutex>& lock);
  bool has_fibers() const;  // [the session's thread]
  // [who sends: who has set busy_]
  ssize_t wait_to_send(std::span<const iovec> parts, bool more, From from);
  Pace::Clock::time_point clock(From from) const;
  std::optional<Pace::Clock::time_point> start_of_send(From from) const;
  bool note_pace(std::optional<Pace::Clock::time_point> began, std::size_t bytes, From from);
  bool may_go_on(std::optional<Pace::Clock::time_point> began, std::size_t bytes, From from);
  bool send_all(std::span<iovec> parts, bool more, From from = From::session);
  int send_file(int fd, std::uint64_t offset, std::size_t length, bool pad, bool& well);
  bool send_zeroes(std::size_t length);
  void send_batch(Posted* first, From from);
  void break_off();
  // [any thread, under the lock]
  void send_posted(std::unique_lock<std::mutex>& lock, From from);
  void send_all_posted(std::unique_lock<std::mutex>& lock, From from);

  Socket& socket_;
  Workers& workers_;
  const MemoryUse& memory_;
  std::atomic<bool>& waits_;
  std::mutex mutex_;
  std::condition_variable free_;
  bool busy_ = false;  // somebody is sending
  Pace pace_;          // of who is sending
  std::atomic<bool> broken_{false};
  std::atomic<bool> too_slow_{false};
  Posted* first_posted_ = nullptr;  // oldest first
  Posted* last_posted_ = nullptr;
  // [the session's thread]
  Waiter* waiter_ = nullptr;  // where requests are put aside
  bool gathered_ = false;
  Pace::Clock::duration time_of_sending_{};
};

}  // namespace ashlar::host
