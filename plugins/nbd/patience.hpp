// Patience: how long a thread goes on trying to reach a server.
#pragma once
#include <functional>
#include <stdexcept>
#include <string>

#include "waker.hpp"

// A try to reach the server that has failed: why, in one line.
class Unreachable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The server has been reached, and has no such export.
class NoExport : public Unreachable {
 public:
  using Unreachable::Unreachable;
};

class Patience {
 public:
  // `why_not`: tells why it is to be given up at once; empty: go on.
  Patience(const Waker& waker, Waker::Time until, std::function<std::string()> why_not)
      : waker_(waker), until_(until), why_not_(std::move(why_not)) {}

  // Waits until `fd` (-1: none) is ready for `events` of poll(2), and returns what it is ready for; 0: not yet.
  // Returns soon, to be called again. Throws Unreachable when it is to be given up, or took too long.
  short wait(int fd, short events, std::chrono::milliseconds longest = between_looks) const {
    const auto now = std::chrono::steady_clock::now();
    if (const std::string why = why_not_(); !why.empty()) throw Unreachable(why);
    if (now >= until_) throw Unreachable("the server does not answer");
    return waker_.wait(fd, events, std::min(until_, now + std::min(longest, between_looks)));
  }

 private:
  static constexpr std::chrono::milliseconds between_looks{100};

  const Waker& waker_;
  const Waker::Time until_;
  const std::function<std::string()> why_not_;
};
