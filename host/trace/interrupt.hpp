// Ctrl-C: what a command has begun is taken back before it ends.
#pragma once
#include <signal.h>

#include <stdexcept>

namespace ashlar::host::traces {

class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

// While there is one, SIGINT and SIGTERM are noted, once; a second one ends the process at once.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Throws Interrupted when one has come.
  static void check();
  // Ends the process by the signal that came, so that whoever has started it can see that.
  [[noreturn]] static void end();

 private:
  struct sigaction before_[2];
};

}  // namespace ashlar::host::traces
