#include "chain/cancellation.hpp"

void ashlar_ticket::done(std::int64_t result) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  done_ = true;
  result_ = result;
  changed_.notify_one();  // under the lock: behind it the ticket may be gone
}

std::int64_t ashlar_ticket::wait() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
  lock.unlock();
  if (of_ != nullptr) of_->strike(*this);
  return result_;
}

void ashlar_ticket::on_cancel(void (*hook)(void*) noexcept, void* argument) {
  if (of_ == nullptr) return;
  hook_ = hook;
  argument_ = argument;
  of_->enlist(*this);
}

void ashlar_ticket::cancel() noexcept { hook_(argument_); }

namespace ashlar::host {

void Cancellation::enlist(ashlar_ticket& ticket) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (cancelled()) return ticket.cancel();
  ticket.place_ = tickets_.insert(tickets_.end(), &ticket);
  ticket.listed_ = true;
}

void Cancellation::strike(ashlar_ticket& ticket) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ticket.listed_) tickets_.erase(ticket.place_);
  ticket.listed_ = false;
}

void Cancellation::cancel() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_.store(true, std::memory_order_relaxed);
  while (!tickets_.empty()) {
    ashlar_ticket& ticket = *tickets_.front();
    tickets_.pop_front();
    ticket.listed_ = false;
    ticket.cancel();
  }
}

}  // namespace ashlar::host
