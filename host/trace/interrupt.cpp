#include "trace/interrupt.hpp"

namespace ashlar::host::traces {
namespace {

volatile sig_atomic_t came = 0;

void note(int) { came = 1; }

}  // namespace

Interrupt::Interrupt() {
  came = 0;
  struct sigaction action {};
  action.sa_handler = &note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // and no SA_RESTART: calls that wait end with EINTR
  ::sigaction(SIGINT, &action, &before_int_);
  ::sigaction(SIGTERM, &action, &before_term_);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
}

bool Interrupt::has_come() { return came != 0; }

void Interrupt::check() {
  if (has_come()) throw Interrupted();
}

}  // namespace ashlar::host::traces
