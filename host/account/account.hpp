// Account: what the requests of one connection came to, counted while they run, for who watches the server.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "account/summary.hpp"

namespace ashlar::host {

class Accounts;

// A request that has ended, or several of one kind that have ended together.
struct Ended {
  std::size_t op = 0;  // < counted_ops
  std::uint32_t length = 0;
  bool carried_out = false;  // it reached the chain
  bool counts_as_error = false;
  int error = 0;  // errno number that the reply tells; 0: success
  std::chrono::steady_clock::time_point arrived;
  std::uint32_t requests = 1;

  // Whether a request of `other` differs in nothing from one of these. No two members that are neighbours in memory are
  // compared one after the other: compilers read such a pair at once, which has to wait until the processor has stored
  // both, and all that was stored before them.
  bool like(const Ended& other) const {
    return length == other.length && arrived == other.arrived && carried_out == other.carried_out && op == other.op &&
           counts_as_error == other.counts_as_error && error == other.error;
  }
};

// Whose requests an account counts.
struct Connected {
  std::uint64_t number = 0;  // Peer::number
  std::string identity;      // by TLS, in words; empty: none
  bool read_only = false;
  std::uint64_t size = 0;  // bytes of the export, as it was told
};

class Account {
 public:
  using Clock = std::chrono::steady_clock;
  // Where it is known that only the session's thread counts, it needs no atomic addition.
  enum class By : bool { session, anybody };

  // Of a connection to the export that `all` is of; from now on it is among them. `all` outlives it.
  Account(Accounts& all, Connected connection);
  ~Account();  // what was counted stays counted in `all`
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  // A request has arrived. Throws std::bad_alloc. [the session's thread]
  void begun(std::size_t op) {
    bump(begun_, 1);
    if (!details_[op]) make_details(op);
  }
  // Their replies have left, or they were dropped with their connection; at `now`. [By::session: the session's thread;
  // else any thread]
  void ended(const Ended& ones, By by, Clock::time_point now);

  // [any thread; exact when nothing is under way]
  Summary summary() const;
  std::uint64_t connection() const { return connection_.number; }
  const std::string& identity() const { return connection_.identity; }
  bool read_only() const { return connection_.read_only; }
  std::uint64_t size() const { return connection_.size; }
  std::chrono::system_clock::time_point since() const { return since_; }

 private:
  friend class Accounts;
  struct Totals {
    std::atomic<std::uint64_t> requests{0}, bytes{0}, errors{0};
  };
  struct Details;  // what only metrics tell

  static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void make_details(std::size_t op);
  template <class Add>
  static void count(const Ended& ones, Clock::time_point now, Totals& totals, Details& details, Add add);
  static void add_to(OpSummary& sum, const Totals& totals);
  static void add_to(OpSummary& sum, const Details& details);

  Accounts& all_;
  const Connected connection_;
  const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
  std::atomic<std::uint64_t> begun_{0};
  std::array<Totals, counted_ops> session_, anybody_;
  std::array<std::atomic<Details*>, counted_ops> details_{};  // of the session's thread; made at the first request
};

}  // namespace ashlar::host
