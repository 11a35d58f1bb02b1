#include "trace/interrupt.hpp"

#include <cstdlib>

namespace ashlar::host::traces {
namespace {

constexpr int numbers[] = {SIGINT, SIGTERM};
volatile sig_atomic_t came = 0;

void note(int number) { came = number; }

}  // namespace

Interrupts::Interrupts() {
  struct sigaction action {};
  action.sa_handler = &note;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  came = 0;
  for (int i = 0; i != 2; ++i) {
    ::sigaction(numbers[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) ::sigaction(numbers[i], &action, nullptr);  // as nohup wants it
  }
}

Interrupts::~Interrupts() {
  for (int i = 0; i != 2; ++i) ::sigaction(numbers[i], &before_[i], nullptr);
}

void Interrupts::check() {
  if (came != 0) throw Interrupted();
}

void Interrupts::end() {
  const int number = came;
  ::signal(number, SIG_DFL);
  ::raise(number);
  std::_Exit(128 + number);
}

}  // namespace ashlar::host::traces
