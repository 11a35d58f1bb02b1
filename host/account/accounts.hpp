// Accounts: what all connections to one export came to, those that are gone included.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "account/account.hpp"
#include "account/summary.hpp"

namespace ashlar::host {

// All members may be called by any thread.
class Accounts {
 public:
  Accounts();
  ~Accounts();  // when no account is left
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  // Of all requests so far.
  Summary summary() const;
  // Calls `one` for each connection that there is; it calls nothing of this.
  void for_each(const std::function<void(const Account&)>& one) const;

  // What `other` came to, which has no connection any more, is counted here, too.
  void add(const Accounts& other);

  std::size_t connections() const;
  std::uint64_t connections_so_far() const { return so_far_.load(std::memory_order_relaxed); }
  // A client was not let in, or was ended for what it did to others.
  void refused() noexcept { refused_.fetch_add(1, std::memory_order_relaxed); }
  void evicted() noexcept { evicted_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t refused_so_far() const { return refused_.load(std::memory_order_relaxed); }
  std::uint64_t evicted_so_far() const { return evicted_.load(std::memory_order_relaxed); }

 private:
  friend class Account;
  void enter(Account& one);
  void leave(Account& one) noexcept;

  mutable std::mutex mutex_;
  std::set<Account*> there_;
  Summary gone_;
  // Of By::anybody: it would be a waste to keep that for each connection.
  const std::unique_ptr<std::array<Account::Details, counted_ops>> by_anybody_;
  std::atomic<std::uint64_t> so_far_{0}, refused_{0}, evicted_{0};
};

}  // namespace ashlar::host
