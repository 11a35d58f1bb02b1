#include "account/accounts.hpp"

#include "account/details.hpp"

namespace ashlar::host {

Accounts::Accounts() : by_anybody_(std::make_unique<std::array<Account::Details, counted_ops>>()) {}

Accounts::~Accounts() = default;

void Accounts::enter(Account& one) {
  const std::lock_guard lock(mutex_);
  there_.insert(&one);
  so_far_.fetch_add(1, std::memory_order_relaxed);
}

// Requests of it that were dropped with the connection are under way no more.
void Accounts::leave(Account& one) noexcept {
  Summary last = one.summary();
  last.begun = last.ended();
  const std::lock_guard lock(mutex_);
  gone_.add(last);
  there_.erase(&one);
}

Summary Accounts::summary() const {
  const std::lock_guard lock(mutex_);
  Summary sum = gone_;
  for (const Account* one : there_) sum.add(one->summary());
  for (std::size_t op = 0; op < counted_ops; ++op) Account::add_to(sum.ops[op], (*by_anybody_)[op]);
  return sum;
}

void Accounts::for_each(const std::function<void(const Account&)>& one) const {
  const std::lock_guard lock(mutex_);
  for (const Account* account : there_) one(*account);
}

void Accounts::add(const Accounts& other) {
  const Summary sum = other.summary();
  so_far_.fetch_add(other.connections_so_far(), std::memory_order_relaxed);
  refused_.fetch_add(other.refused_so_far(), std::memory_order_relaxed);
  evicted_.fetch_add(other.evicted_so_far(), std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  gone_.add(sum);
}

std::size_t Accounts::connections() const {
  const std::lock_guard lock(mutex_);
  return there_.size();
}

}  // namespace ashlar::host
