// Triggers: when the ring is to be written out, and why.
#pragma once
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>

#include "settings.hpp"

namespace ashlar::trace {

// Hears SIGUSR1 while it lives; in between the signal is ignored, as by the server otherwise.
class SignalEar {
 public:
  SignalEar();
  ~SignalEar();
  SignalEar(const SignalEar&) = delete;
  SignalEar& operator=(const SignalEar&) = delete;
  // Whether the signal has come since this was last asked.
  bool heard();

 private:
  unsigned known_;
};

class Triggers {
 public:
  static constexpr std::uint64_t pause = 10'000'000'000;  // nanoseconds from one to the next

  explicit Triggers(const Settings& settings);

  // A request that was done.
  void look_at(const RecordEntry& record);
  // Somebody asks for it.
  void pull(const char* why) { pull(why, 0, 0); }
  // Looks for the signal.
  void listen();
  // Whether the ring is to be written out now; once for each time. `now`: nanoseconds of CLOCK_MONOTONIC.
  bool due(std::uint64_t now);
  // What came is forgotten.
  void drop() { pulled_ = false; }

  // Whether one came whose turn is still to come.
  bool pending() const { return pulled_; }
  // Until then, rounded up.
  std::uint64_t seconds_left(std::uint64_t now) const {
    constexpr std::uint64_t second = 1'000'000'000;
    return now < not_before_ ? (not_before_ - now + second - 1) / second : 0;
  }

  // Of the first one since the last time that it was due.
  const std::string& why() const { return why_; }
  std::uint64_t connection() const { return connection_; }
  std::uint64_t id() const { return id_; }

 private:
  void pull(const char* why, std::uint64_t connection, std::uint64_t id);

  const Settings& settings_;
  std::unique_ptr<SignalEar> ear_;
  bool pulled_ = false;
  std::uint64_t not_before_ = 0;
  std::string why_;
  std::uint64_t connection_ = 0, id_ = 0;
};

}  // namespace ashlar::trace
