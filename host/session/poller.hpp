// Poller: whether to poll the socket for a while before sleeping. A sleep costs two wake-ups, which is most of the
// latency of a client with one request in flight; polling costs a core. So it polls only while it has lately paid for
// this client, and never while other clients could use the core.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

namespace ashlar::host {

// How many clients talk at present: shared by all sessions.
class ActiveClients {
 public:
  void add() { active_.fetch_add(1, std::memory_order_relaxed); }
  void remove() { active_.fetch_sub(1, std::memory_order_relaxed); }
  // Whether there is another core for each client that talks: it may be on this machine.
  bool cores_to_spare() const { return active_.load(std::memory_order_relaxed) * 2 <= cores_; }

 private:
  std::atomic<unsigned> active_{0};
  const unsigned cores_ = std::thread::hardware_concurrency();
};

// For one session, on its thread.
class Poller {
 public:
  using Clock = std::chrono::steady_clock;

  // `time`: how long to poll each time; 0: never; nothing: it adapts. Its client counts as active while it lives.
  Poller(ActiveClients& all, std::optional<std::chrono::microseconds> time) : all_(all), time_(time) { all_.add(); }
  ~Poller() { all_.remove(); }
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Before a wait: whether to poll first.
  bool begin() {
    began_ = last_ = Clock::now();
    if (time_) return time_->count() != 0;
    return paid_ >= enough && all_.cores_to_spare() && began_ >= not_before_;
  }
  // After a try that found nothing: whether to try again.
  bool go_on() {
    const Clock::time_point now = Clock::now();
    // A gap means that somebody else ran here: the core is wanted.
    if (!time_ && now - last_ > preempted) {
      not_before_ = now + back_off;
      return false;
    }
    last_ = now;
    return now - began_ < (time_ ? *time_ : usual_time) && (time_ || all_.cores_to_spare());
  }
  // After the wait, however it went.
  void end() {
    if (time_) return;
    // A wake-up takes its time, too: a wait twice as long would still have been found by polling.
    const bool would_pay = Clock::now() - began_ < 2 * usual_time;
    paid_ = would_pay ? std::min(paid_ + 1, most_remembered) : std::max(paid_ - cost_of_a_miss, 0);
  }

 private:
  static constexpr std::chrono::microseconds usual_time{50};
  static constexpr std::chrono::microseconds preempted{200};
  static constexpr std::chrono::milliseconds back_off{10};
  static constexpr int most_remembered = 16;
  static constexpr int enough = 12;
  static constexpr int cost_of_a_miss = 2;

  ActiveClients& all_;
  const std::optional<std::chrono::microseconds> time_;
  int paid_ = 0;  // up with each wait that was short enough for polling, down with each that was not
  Clock::time_point began_, last_, not_before_;
};

}  // namespace ashlar::host
