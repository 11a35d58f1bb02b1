// Interrupt: Ctrl-C and SIGTERM end a command that takes long, after it has put away what it has made.
#pragma once
#include <signal.h>

#include <stdexcept>

namespace ashlar::host::traces {

class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

// Notes SIGINT and SIGTERM while it lives, unless they are ignored; a second one ends the process at once.
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
  // Ends the process by the signal that came, so that whoever has started it can see that.
  [[noreturn]] static void end();

 private:
  struct sigaction before_[2];
};

}  // namespace ashlar::host::traces
