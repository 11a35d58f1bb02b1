#include "gate.hpp"

#include <new>

namespace ashlar::fault {

bool Gate::take(Mode mode) {
  if (alone_ || (mode == Mode::alone && together_ != 0)) return false;
  if (mode == Mode::alone) alone_ = true;
  else ++together_;
  return true;
}

bool Gate::try_enter(Mode mode) noexcept {
  const std::lock_guard guard(mutex_);
  return waiting_.empty() && take(mode);
}

Status Gate::enter(Mode mode) noexcept {
  if (try_enter(mode)) return Status::success();
  try {
    Waiter waiter{*this, mode, Wait::Ticket(wait_)};
    {
      const std::lock_guard guard(mutex_);
      if (waiting_.empty() && take(mode)) {
        waiter.settled = true;
        waiter.ticket.done(0);
      } else {
        try {
          waiter.place = waiting_.insert(waiting_.end(), &waiter);
        } catch (const std::bad_alloc&) {
          waiter.settled = true;
          waiter.ticket.done(ENOMEM);
        }
      }
    }
    waiter.ticket.on_cancel(&give_up, &waiter);
    return Status{static_cast<std::int32_t>(waiter.ticket.wait())};
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
}

void Gate::leave(Mode mode) noexcept {
  const std::lock_guard guard(mutex_);
  if (mode == Mode::alone) alone_ = false;
  else --together_;
  admit();
}

// Under the mutex: a waiter that is told may be gone as soon as the mutex is free.
void Gate::admit() noexcept {
  while (!waiting_.empty() && take(waiting_.front()->mode)) {
    Waiter& first = *waiting_.front();
    waiting_.pop_front();
    first.settled = true;
    first.ticket.done(0);
  }
}

void Gate::give_up(void* of) noexcept {
  auto& waiter = *static_cast<Waiter*>(of);
  Gate& gate = waiter.gate;
  const std::lock_guard guard(gate.mutex_);
  if (waiter.settled) return;
  gate.waiting_.erase(waiter.place);
  waiter.settled = true;
  waiter.ticket.done(ECANCELED);
  gate.admit();
}

}  // namespace ashlar::fault
