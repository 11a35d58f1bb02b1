// Progress: one line on a terminal that tells how far a command is, when it takes longer than a second.
#pragma once
#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>

namespace ashlar::host::traces {

class Progress {
 public:
  // "WHAT: 120 of 900 UNITS". Nothing is told where stderr is no terminal.
  Progress(std::ostream& err, std::string what, std::string units);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // May be called often. `all`: 0: not known.
  void tell(std::uint64_t done, std::uint64_t all);
  // From now on nothing is told.
  void keep_quiet() { terminal_ = false; }
  // Takes the line away, before something else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::ostream& err_;
  const std::string what_, units_;
  bool terminal_;
  Clock::time_point next_;
  bool shown_ = false;
};

}  // namespace ashlar::host::traces
