// Interrupt: Ctrl-C and SIGTERM end a command that takes long, after it has put away what it has made.
#pragma once
#include <signal.h>

#include <stdexcept>

namespace ashlar::host::traces {

class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

// Notes SIGINT and SIGTERM while it lives; a second one ends the process at once. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Whether one has come.
  static bool has_come();
  // Throws Interrupted when one has come.
  static void check();

 private:
  struct sigaction before_int_, before_term_;
};

}  // namespace ashlar::host::traces
