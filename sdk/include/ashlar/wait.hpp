// Wait: how a layer waits for something outside (a network, a timer, a library's callback). Over a wait, as over
// next(), a layer holds no mutex and no pointer to thread-local data: other requests may run on the thread meanwhile.
//
//   Wait::Ticket ticket(wait_);
//   library_read(..., [](void* t, int error) { static_cast<Wait::Ticket*>(t)->done(error); }, &ticket);
//   const std::int64_t error = ticket.wait();
#pragma once
#include <ashlar/host.hpp>

#include <chrono>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

namespace ashlar {

// Cheap to copy; valid as long as the layer. [within a call of the host into the layer]
class Wait {
 public:
  // Throws std::runtime_error when the host does not offer it.
  explicit Wait(const Host& host) : services_(static_cast<const ashlar_wait*>(host.extension(ASHLAR_WAIT_ID))) {
    if (services_ == nullptr) throw std::runtime_error(std::string("the host does not offer ") + ASHLAR_WAIT_ID);
  }

  class Ticket;
  // Waits until steady_clock shows `time`, or the call is cancelled.
  void sleep_until(std::chrono::steady_clock::time_point time) const {
    const auto since_start = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    services_->sleep_until(services_->self, since_start > 0 ? static_cast<std::uint64_t>(since_start) : 0);
  }
  // Whether nobody wants the answer of the call under way any more: who can give up returns Status{ECANCELED}.
  bool cancelled() const { return services_->cancelled(services_->self) != 0; }

 private:
  const ashlar_wait* services_;
};

// One thing that is waited for. done() has to be called once, also when what it stands for could not be begun: the
// destructor waits for it if nobody has.
class Wait::Ticket {
 public:
  // Throws std::bad_alloc.
  explicit Ticket(const Wait& wait) : services_(*wait.services_), ticket_(services_.begin(services_.self)) {
    if (ticket_ == nullptr) throw std::bad_alloc();
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() {
    if (ticket_ != nullptr) static_cast<void>(wait());
  }

  // Ends the wait, or the one to come. Once. [any thread]
  void done(std::int64_t result = 0) noexcept { services_.done(services_.self, ticket_, result); }
  // Waits until done() was called, and never less; returns its result. Once.
  std::int64_t wait() noexcept {
    const std::int64_t result = services_.wait(services_.self, ticket_);
    ticket_ = nullptr;  // not before: done() reads it
    return result;
  }
  // Has `hook(argument)` called when the call is cancelled before wait() returns; at once if it is cancelled already,
  // so what it is to give up must be under way before. It must not block. Once, before wait(). [any thread calls it]
  void on_cancel(void (*hook)(void*) noexcept, void* argument) noexcept {
    services_.on_cancel(services_.self, ticket_, hook, argument);
  }

 private:
  const ashlar_wait& services_;
  ashlar_ticket* ticket_;
};

}  // namespace ashlar
