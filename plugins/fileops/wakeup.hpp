// Wakeup: what one request of a backend waits for, until another has its turn. Where the host offers ashlar.wait, that
// keeps no thread.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/wait.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace ashlar::fileops {

// How the requests of a layer wait; nothing: `host` does not offer it, and they block their threads.
inline std::optional<Wait> wait_of(const Host& host) {
  return host.extension(ASHLAR_WAIT_ID) != nullptr ? std::optional<Wait>(std::in_place, host) : std::nullopt;
}

class Wakeup {
 public:
  // Throws std::bad_alloc.
  explicit Wakeup(const std::optional<Wait>& wait) {
    if (wait) ticket_.emplace(*wait);
  }

  // Ends the wait, or the one to come. Once; behind it the wakeup may be gone. [any thread]
  void done() noexcept {
    if (ticket_) return ticket_->done();
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_one();
  }
  // Once. [who made it]
  void wait() noexcept {
    if (ticket_) return static_cast<void>(ticket_->wait());
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

 private:
  std::optional<Wait::Ticket> ticket_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

}  // namespace ashlar::fileops
