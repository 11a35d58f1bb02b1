#include "session/waiter.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <iterator>

#include "session/cold_reads.hpp"
#include "session/fibers.hpp"

namespace ashlar::host {

// While it lives, wakes end a wait in the kernel.
class Waiter::Listening {
 public:
  explicit Listening(Waiter& waiter) : waiter_(waiter) { waiter_.listening_.store(true, std::memory_order_seq_cst); }
  ~Listening() {
    waiter_.listening_.store(false, std::memory_order_relaxed);
    const std::lock_guard<std::mutex> lock(waiter_.mutex_);
    waiter_.woken_ = false;
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  Waiter& waiter_;
};

Waiter::~Waiter() {
  if (event_ >= 0) ::close(event_);
}

ssize_t Waiter::receive(Inbox& inbox, Poller& poller) {
  using Wait = Socket::Wait;
  if (fibers_have_work()) {
    look_at_ring();  // what they have just begun does not wait for the client to pause
    fibers_->resume_and_send();
    const ssize_t n = inbox.receive(*socket_, Wait::no);
    if (n != -EAGAIN) return n;
  }
  if (fibers_have_work() || ring_has_work()) return for_input() ? inbox.receive(*socket_, Wait::no) : -EAGAIN;
  if (poller.begin()) {
    ssize_t n;
    do n = inbox.receive(*socket_, Wait::no);
    while (n == -EAGAIN && poller.go_on());
    if (n != -EAGAIN) {
      poller.end();
      return n;
    }
  }
  const ssize_t n = inbox.receive(*socket_, Wait::yes);
  poller.end();
  return n;
}

// Whether something is under way on the ring, or was, and is to be replied to.
bool Waiter::ring_has_work() const { return ring_ != nullptr && (ring_->any() || reads_->any()); }

void Waiter::look_at_ring() {
  if (!ring_has_work()) return;
  ring_->look();
  reads_->send_done();
}

// A turn of the ring that ends when there is input, if that is waited for, at a wake by `event` (-1: by none), or when
// `patience` is over. Returns whether there may be input: there is, or the client has just got replies.
bool Waiter::wait_with_ring(Watch what, int event, std::chrono::nanoseconds patience) {
  const bool for_client = what == Watch::client;
  bool input = for_client && socket_->holds_input();
  if (input || reads_->has_done()) ring_->look();
  else input = turn_ring({.input = for_client ? socket_->watched_descriptor() : -1, .event = event}, patience);
  const bool sent = reads_->send_done();
  return input || sent;
}

// Calls on fibers have notes of their own.
bool Waiter::turn_ring(Ring::Watched watched, std::chrono::nanoseconds patience) {
  if (!reads_->is_under_way()) return ring_->turn(watched, patience);
  const Inside inside = reads_->note_of_wait();
  return ring_->turn(watched, patience);
}

bool Waiter::fibers_have_work() const { return fibers_ != nullptr && fibers_->has_work(); }

Pace::Clock::time_point Waiter::clients_clock() const {
  const auto now = Pace::Clock::now();
  return fibers_ != nullptr ? now - fibers_->taken() : now;
}

void Waiter::resume_fibers() {
  if (ring_has_work()) ring_->reap_all();  // replies of reads wait until nobody sends
  fibers_->resume_ready();
}

bool Waiter::for_input() {
  if (!fibers_have_work())
    return ring_has_work() ? wait_with_ring(Watch::client, -1, Socket::patience) : socket_->wait_for_input();
  const bool input = wait_beside_fibers(Watch::client);
  fibers_->resume_and_send();
  return input;
}

void Waiter::for_room() {
  if (ring_has_work()) {
    const Listening listening(*this);
    const int wakes = event();
    turn_ring({.room = socket_->watched_descriptor(), .event = wakes}, fibers_->patience_of_sender());
    ring_->reap_all();
  } else {
    poll(POLLOUT);
  }
  fibers_->resume_ready();
}

void Waiter::wait_for_others() {
  if (fibers_have_work()) {
    wait_beside_fibers(Watch::event);
    fibers_->resume_and_send();
    return;
  }
  if (ring_has_work()) {
    wait_with_ring(Watch::event, event(), Socket::patience);
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = false;
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, Socket::patience, [this] { return woken_; });
  woken_ = false;
}

// Also ends when a fiber can go on. Returns whether there may be input, if that is waited for.
bool Waiter::wait_beside_fibers(Watch what) {
  const bool for_client = what == Watch::client;
  if (!ring_has_work()) return for_client ? socket_->holds_input() || poll(POLLIN | POLLRDHUP) : poll(0);
  const Listening listening(*this);
  const int wakes = event();
  return wait_with_ring(what, wakes, fibers_->patience());
}

// Waits for `events` at the client's socket, a wake, or what fibers wait for. Returns whether the former are there.
bool Waiter::poll(short events) {
  const Listening listening(*this);
  pollfd watched[] = {{.fd = events != 0 ? socket_->watched_descriptor() : -1, .events = events, .revents = 0},
                      {.fd = event(), .events = POLLIN, .revents = 0}};
  // Once wakes are heard of.
  const auto patience = (events == POLLOUT ? fibers_->patience_of_sender() : fibers_->patience()).count();
  const timespec time{.tv_sec = 0, .tv_nsec = patience};
  return ::ppoll(watched, std::size(watched), &time, nullptr) > 0 && watched[0].revents != 0;
}

void Waiter::wake() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // what changed is seen by who begins to listen now
  if (!listening_.load(std::memory_order_seq_cst)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  woken_ = true;
  changed_.notify_one();
  const std::uint64_t one = 1;
  if (event_ >= 0 && ::write(event_, &one, sizeof one) < 0) return;  // it has been woken often enough
}

// Without one, who waits in the kernel looks around every Socket::patience. It may be made when somebody has woken the
// thread already.
int Waiter::event() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (event_ < 0) event_ = ::eventfd(woken_ ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::uint64_t ignored;
  if (!woken_ && event_ >= 0 && ::read(event_, &ignored, sizeof ignored) < 0) return event_;
  return event_;
}

}  // namespace ashlar::host
