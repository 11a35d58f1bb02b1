#include "session/waiter.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <iterator>

#include "session/cold_reads.hpp"
#include "session/fibers.hpp"
#include "session/ring.hpp"

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
  if (has_fibers()) {
    if (has_ring()) reads_->look();  // what they have just begun does not wait for the client to pause
    fibers_->go_on();
    const ssize_t n = inbox.receive(*socket_, Wait::no);
    if (n != -EAGAIN) return n;
  }
  if (has_fibers() || has_ring()) return for_input() ? inbox.receive(*socket_, Wait::no) : -EAGAIN;
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

bool Waiter::has_ring() const { return ring_ != nullptr && (ring_->any() || reads_->any()); }

bool Waiter::has_fibers() const { return fibers_ != nullptr && fibers_->any(); }

void Waiter::run_fibers() {
  if (has_ring()) reads_->reap_all();
  fibers_->run();
}

bool Waiter::for_input() {
  if (!has_fibers()) return has_ring() ? reads_->wait(Watch::client, -1) : socket_->wait_for_input();
  const bool input = wait_beside_fibers(Watch::client);
  fibers_->go_on();
  return input;
}

void Waiter::for_room() {
  if (has_ring()) {
    const Listening listening(*this);
    const int wakes = event();
    reads_->wait_for_room(wakes, fibers_->patience_of_sender());
  } else {
    poll(POLLOUT);
  }
  fibers_->run();
}

void Waiter::wait_for_others() {
  if (has_fibers()) {
    wait_beside_fibers(Watch::event);
    fibers_->go_on();
    return;
  }
  if (has_ring()) {
    reads_->wait(Watch::event, event());
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
  if (!has_ring()) return for_client ? socket_->holds_input() || poll(POLLIN | POLLRDHUP) : poll(0);
  const Listening listening(*this);
  const int wakes = event();
  return reads_->wait(what, wakes, fibers_->patience());
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
