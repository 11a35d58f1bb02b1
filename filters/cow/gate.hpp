// Gate: requests go through it, and who has to be alone (commit, discard) closes it. Costs two additions a request.
#pragma once
#include <ashlar/wait.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <system_error>

// [any thread]
class Gate {
 public:
  explicit Gate(const ashlar::Wait& wait) : wait_(wait) {}

  // A request within it.
  class Pass {
   public:
    // Waits while it is closed, unless the request may not, or is cancelled: see entered().
    Pass(Gate& gate, bool may_wait) : gate_(gate), entered_(gate.enter(may_wait)) {}
    ~Pass() {
      if (entered_) --gate_.inside_;
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    bool entered() const { return entered_; }

   private:
    Gate& gate_;
    const bool entered_;
  };

  // Closes it and waits until all have left. One at a time. Throws std::system_error when it is cancelled.
  class Closed {
   public:
    explicit Closed(Gate& gate) : gate_(gate) {
      gate_.closed_ = true;
      while (gate_.inside_ != 0) {
        gate_.pause();
        if (!gate_.wait_.cancelled()) continue;
        gate_.closed_ = false;
        throw std::system_error(ECANCELED, std::generic_category());
      }
    }
    ~Closed() { gate_.closed_ = false; }
    Closed(const Closed&) = delete;
    Closed& operator=(const Closed&) = delete;

   private:
    Gate& gate_;
  };

  // Who closes it over and over lets those in between who wait: they look once a pause.
  void let_in() const {
    for (int pauses = 0; waiting_ != 0 && pauses != most_pauses; ++pauses) pause();
  }

 private:
  static constexpr int most_pauses = 20;

  bool enter(bool may_wait) {
    for (;;) {
      ++inside_;
      if (!closed_) return true;
      --inside_;
      if (!may_wait || wait_.cancelled()) return false;
      ++waiting_;
      pause();
      --waiting_;
    }
  }
  // It is closed rarely, and not for long; but then many may wait.
  void pause() const { wait_.sleep_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(1)); }

  const ashlar::Wait wait_;
  std::atomic<std::uint64_t> inside_{0};
  std::atomic<std::uint64_t> waiting_{0};
  std::atomic<bool> closed_{false};
};
