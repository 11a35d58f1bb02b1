// StreamEnd: for how long a client has sent nothing more for good. Over TCP that is all that shows of a client that has
// gone while its requests wait; one that has closed its sending side alone still takes replies.
#pragma once
#include <poll.h>

#include <atomic>
#include <chrono>

#include "socket/socket.hpp"

namespace ashlar::host {

class StreamEnd {
 public:
  explicit StreamEnd(const Socket& socket) : socket_(socket) {}

  // Whether the stream has ended, or the client is gone. [any thread]
  bool has_come() const {
    pollfd watched{.fd = socket_.watched_descriptor(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&watched, 1, 0) > 0;
  }
  // Whether it has, and a call of this found so at least `time` ago. [any thread]
  bool has_lasted(std::chrono::seconds time) {
    using Clock = std::chrono::steady_clock;
    if (!has_come()) return false;
    const Clock::rep now = Clock::now().time_since_epoch().count();
    Clock::rep first = 0;
    if (seen_.compare_exchange_strong(first, now, std::memory_order_relaxed)) return false;
    return Clock::duration(now - first) >= time;
  }

 private:
  const Socket& socket_;
  std::atomic<std::chrono::steady_clock::rep> seen_{0};  // when it was seen first; 0: not yet
};

}  // namespace ashlar::host
