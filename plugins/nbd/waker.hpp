// Waker: ends a thread's wait for a socket. And how long that wait may take.
#pragma once
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

class Waker {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Throws std::system_error.
  Waker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~Waker() { ::close(fd_); }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // Ends the wait, or the next one. [any thread]
  void wake() const noexcept { static_cast<void>(::eventfd_write(fd_, 1)); }
  // Waits until `fd` (-1: none) is ready for `events` of poll(2), or is woken, or `until` has come. Returns what `fd`
  // is ready for.
  short wait(int fd, short events, Time until) const noexcept {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd both[2] = {{fd_, POLLIN, 0}, {fd, events, 0}};
    const int n = ::poll(both, 2, static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000)));
    if (n <= 0) return 0;
    if (both[0].revents != 0) {
      eventfd_t count = 0;
      static_cast<void>(::eventfd_read(fd_, &count));
    }
    return both[1].revents;
  }

 private:
  const int fd_;
};
