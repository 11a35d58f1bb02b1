#include "trace/interrupt.hpp"

#include <cstdlib>

namespace ashlar::host::traces {
namespace {

constexpr int numbers[] = {SIGINT, SIGTERM};
volatile sig_atomic_t came = 0;

void note(int number) { came = number; }

}  // namespace

Interrupt::Interrupt() {
  struct sigaction action {};
  action.sa_handler = &note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // and no SA_RESTART: calls that wait end with EINTR
  for (int i = 0; i != 2; ++i) {
    ::sigaction(numbers[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) ::sigaction(numbers[i], &action, nullptr);  // as nohup wants it
  }
}

Interrupt::~Interrupt() {
  for (int i = 0; i != 2; ++i) ::sigaction(numbers[i], &before_[i], nullptr);
}

bool Interrupt::has_come() { return came != 0; }

void Interrupt::check() {
  if (has_come()) throw Interrupted();
}

void Interrupt::end() {
  const int number = came;
  ::signal(number, SIG_DFL);
  ::raise(number);
  std::_Exit(128 + number);
}

}  // namespace ashlar::host::traces
