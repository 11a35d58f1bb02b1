// Watch: a descriptor of the server's own that is waited for again and again. Timer and Wakeup: two of them. Once made,
// none of them allocates or fails, so that want of memory cannot make the server deaf. (Boost.Asio; timerfd_create(2),
// eventfd(2))
#pragma once
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace ashlar::host {

class Watch {
 public:
  // Takes `fd`, and calls `readable` whenever it can be read, until the watch is gone. Throws std::system_error, naming
  // `what`, when `fd` is none. `readable` does not throw. [all members: the io thread]
  Watch(boost::asio::io_context& io, int fd, const char* what, std::function<void()> readable);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  int fd() const;

 private:
  struct State;
  static void wait(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

class Timer {
 public:
  using Clock = std::chrono::steady_clock;

  // Throws std::system_error when the kernel has no timer to give.
  Timer(boost::asio::io_context& io, std::function<void()> due);
  // Calls `due` once at `when`, instead of at any time set before. [the io thread]
  void set(Clock::time_point when);

 private:
  Watch watch_;
};

class Wakeup {
 public:
  // Throws std::system_error when the kernel has no event to give.
  Wakeup(boost::asio::io_context& io, std::function<void()> woken);
  // Has `woken` called on the io thread; once, if rung several times before that. [any thread]
  void ring() noexcept;

 private:
  Watch watch_;
};

}  // namespace ashlar::host
