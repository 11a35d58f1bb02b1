#include "session/waiter.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "session/cold_reads.hpp"

namespace ashlar::host {

Waiter::~Waiter() {
  if (event_ >= 0) ::close(event_);
}

ssize_t Waiter::receive(Inbox& inbox, Poller& poller) {
  using Wait = Socket::Wait;
  if (reads_ != nullptr && reads_->any()) return for_input() ? inbox.receive(*socket_, Wait::no) : -EAGAIN;
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

bool Waiter::for_input() {
  if (reads_ == nullptr || !reads_->any()) return socket_->wait_for_input();
  return reads_->wait(ColdReads::Watch::client, -1);
}

void Waiter::wait_for_others() {
  if (reads_ != nullptr && reads_->any()) {
    reads_->wait(ColdReads::Watch::event, event());
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = false;
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, Socket::patience, [this] { return woken_; });
  woken_ = false;
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

// Without one, who waits for the disk looks around every Socket::patience. It may be made when somebody has woken the
// thread already.
int Waiter::event() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (event_ < 0) event_ = ::eventfd(woken_ ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::uint64_t ignored;
  if (!woken_ && event_ >= 0 && ::read(event_, &ignored, sizeof ignored) < 0) return event_;
  return event_;
}

}  // namespace ashlar::host
