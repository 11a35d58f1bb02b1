// Ledger: what the requests of one connection came to. finished() is told of each, whatever way its reply goes; it is
// counted there, or in batch_left() when its reply leaves with others. Without memory a connection may end before some
// of its requests have. From here they get into the export's account, and layers that want it are told when a reply has
// left.
#pragma once
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "account/account.hpp"
#include "chain/chain.hpp"
#include "protocol/errors.hpp"
#include "session/request_runner.hpp"

namespace ashlar::host {

class Ledger {
 public:
  using By = Account::By;
  // Where a request's reply is: laid out in the session's batch, sent, or dropped with the connection.
  enum class ReplyIs : std::uint8_t { laid_out, sent, dropped };

  explicit Ledger(Chain& chain, Connected connection = {})
      : chain_(chain), account_(*chain.exported().accounts(), std::move(connection)) {}
  ~Ledger() { batch_left(false); }
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Throws std::bad_alloc. [the session's thread]
  void begun(const Asked& asked) { account_.begun(op_of(asked)); }

  // `asked`, which has begun, has been carried out or refused. Its reply tells `error` (of the wire; error_none:
  // success). laid_out is for By::session alone. [By::session: the session's thread; else any thread]
  void finished(const Asked& asked, std::uint32_t error, By by, ReplyIs reply) {
    if (reply == ReplyIs::laid_out) return laid_out(asked, ended_as(asked, error));
    const int status = reply == ReplyIs::sent ? protocol::errno_of(error) : ECONNABORTED;
    if (chain_.wants_replies()) chain_.replied(asked.id, status);
    account_.ended(ended_as(asked, error), by, Account::Clock::now());
  }

  // All that was laid out has been sent, or dropped. [the session's thread]
  void batch_left(bool well) {
    if (laid_out_.empty()) return;
    if (!to_tell_.empty()) tell(well);
    const auto now = Account::Clock::now();
    for (const Ended& ones : laid_out_) account_.ended(ones, By::session, now);
    laid_out_.clear();
  }

  // [any thread; exact when nothing is under way]
  Summary totals() const { return account_.summary(); }

 private:
  static std::size_t op_of(const Asked& asked) {
    return protocol::is_command(asked.request.type) ? static_cast<std::size_t>(asked.verdict.op) : counted_ops - 1;
  }
  // FAST_ZERO's "not supported" is an answer that the client has asked for.
  static Ended ended_as(const Asked& asked, std::uint32_t error) {
    const bool as_asked = error == protocol::error_enotsup && (asked.request.flags & protocol::cmd_flag_fast_zero) != 0;
    return {.op = op_of(asked),
            .length = asked.verdict.op == Op::flush ? 0 : asked.request.length,  // a flush moves no bytes
            .carried_out = asked.verdict.kind == protocol::Verdict::Kind::run,
            .counts_as_error = error != protocol::error_none && !as_asked,
            .error = protocol::errno_of(error),
            .arrived = asked.arrived};
  }
  // Most requests that are replied to together came together and are of one kind: those are counted as one.
  void laid_out(const Asked& asked, const Ended& one) {
    if (!laid_out_.empty() && laid_out_.back().like(one)) ++laid_out_.back().requests;
    else laid_out_.push_back(one);
    if (chain_.wants_replies()) to_tell_.push_back({asked.id, one.error});
  }
  void tell(bool well) {
    if (!well)
      for (Replied& one : to_tell_) one.status = ECONNABORTED;
    chain_.replied(to_tell_);
    to_tell_.clear();
  }

  Chain& chain_;
  Account account_;
  std::vector<Ended> laid_out_;   // of requests whose replies are to be sent
  std::vector<Replied> to_tell_;  // likewise, where layers want to be told
};

}  // namespace ashlar::host
