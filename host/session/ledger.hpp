// Ledger: what the requests of one connection came to. Every request that is not dropped with its connection ends in
// finished(), and only there. Layers that want it are told from here when a reply has left.
#pragma once
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "chain/chain.hpp"
#include "protocol/errors.hpp"

#include "session/request_runner.hpp"

namespace ashlar::host {

class Ledger {
 public:
  explicit Ledger(Chain& chain) : chain_(chain) {}
  ~Ledger() { sent(false); }
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Who finished a request: each counts for itself, so that the session's thread needs no atomic addition.
  enum class By : bool { session, worker };
  // Where its reply is: laid out in the session's batch, sent, or dropped with the connection.
  enum class ReplyIs : std::uint8_t { laid_out, sent, dropped };

  struct Totals {
    std::uint64_t requests = 0;
    std::uint64_t bytes_read = 0;     // asked for by reads that were carried out
    std::uint64_t bytes_written = 0;  // brought by writes
    std::uint64_t errors = 0;         // requests that were answered with an error, but for FAST_ZERO's "not supported"
  };

  // `asked` has been carried out or refused. Its reply tells `error` (of the wire; error_none: success). laid_out is
  // for the session alone. [`by`'s thread]
  void finished(const Asked& asked, std::uint32_t error, By by, ReplyIs reply) {
    if (chain_.wants_replies()) tell(asked, error, reply);
    Counts& counts = by == By::session ? session_ : workers_;
    const auto add = [by](std::atomic<std::uint64_t>& to, std::uint64_t n) {
      if (by == By::session) to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
      else to.fetch_add(n, std::memory_order_relaxed);
    };
    add(counts.requests, 1);
    const bool refused_as_asked =
        error == protocol::error_enotsup && (asked.request.flags & protocol::cmd_flag_fast_zero) != 0;
    if (error != protocol::error_none && !refused_as_asked) add(counts.errors, 1);
    if (asked.verdict.kind != protocol::Verdict::Kind::run) return;
    if (asked.verdict.op == Op::read) add(counts.bytes_read, asked.request.length);
    if (asked.verdict.op == Op::write) add(counts.bytes_written, asked.request.length);
  }

  // All that was laid out has been sent, or dropped. [the session's thread]
  void sent(bool well) {
    if (laid_out_.empty()) return;
    if (!well)
      for (Replied& one : laid_out_) one.status = ECONNABORTED;
    chain_.replied(laid_out_);
    laid_out_.clear();
  }

  // [any thread; exact when nothing is under way]
  Totals totals() const {
    const auto sum = [this](std::atomic<std::uint64_t> Counts::*what) {
      return (session_.*what).load(std::memory_order_relaxed) + (workers_.*what).load(std::memory_order_relaxed);
    };
    return {sum(&Counts::requests), sum(&Counts::bytes_read), sum(&Counts::bytes_written), sum(&Counts::errors)};
  }

 private:
  void tell(const Asked& asked, std::uint32_t error, ReplyIs reply) {
    const std::int32_t status = protocol::errno_of(error);
    if (reply == ReplyIs::laid_out) laid_out_.push_back({asked.id, status});
    else chain_.replied(asked.id, reply == ReplyIs::sent ? status : ECONNABORTED);
  }

  Chain& chain_;
  std::vector<Replied> laid_out_;  // whose layers are to be told when it is sent
  struct Counts {
    std::atomic<std::uint64_t> requests{0}, bytes_read{0}, bytes_written{0}, errors{0};
  };
  Counts session_;
  Counts workers_;
};

}  // namespace ashlar::host
