#include "account/account.hpp"

#include <utility>

#include "account/accounts.hpp"
#include "account/details.hpp"

namespace ashlar::host {
namespace {

std::uint64_t value(const std::atomic<std::uint64_t>& of) { return of.load(std::memory_order_relaxed); }

template <std::size_t n>
void add_each(std::array<std::uint64_t, n>& to, const std::array<std::atomic<std::uint64_t>, n>& from) {
  for (std::size_t i = 0; i < n; ++i) to[i] += value(from[i]);
}

}  // namespace

Account::Account(Accounts& all, Connected connection) : all_(all), connection_(std::move(connection)) {
  all_.enter(*this);
}

Account::~Account() {
  all_.leave(*this);
  for (const auto& one : details_) delete one.load(std::memory_order_relaxed);
}

void Account::make_details(std::size_t op) {
  details_[op].store(std::make_unique<Details>().release(), std::memory_order_release);
}

template <class Add>
void Account::count(const Ended& ones, Clock::time_point now, Totals& totals, Details& details, Add add) {
  const std::uint64_t n = ones.requests;
  add(totals.requests, n);
  if (ones.carried_out && ones.error == 0) add(totals.bytes, n * ones.length);
  if (ones.counts_as_error) {
    add(totals.errors, n);
    add(details.errors_by_number[error_place(ones.error)], n);
  }
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(now - ones.arrived).count();
  const auto nanoseconds = static_cast<std::uint64_t>(took > 0 ? took : 0);
  add(details.durations[Buckets::of_duration(nanoseconds)], n);
  add(details.nanoseconds, n * nanoseconds);
  if (ones.op == static_cast<std::size_t>(Op::flush)) return;  // it has no length
  add(details.sizes[Buckets::of_size(ones.length)], n);
  add(details.size_sum, n * ones.length);
}

void Account::ended(const Ended& ones, By by, Clock::time_point now) {
  if (by == By::session) {
    count(ones, now, session_[ones.op], *details_[ones.op].load(std::memory_order_relaxed),
          [](std::atomic<std::uint64_t>& to, std::uint64_t n) { bump(to, n); });
  } else {
    count(ones, now, anybody_[ones.op], (*all_.by_anybody_)[ones.op],
          [](std::atomic<std::uint64_t>& to, std::uint64_t n) { to.fetch_add(n, std::memory_order_relaxed); });
  }
}

void Account::add_to(OpSummary& sum, const Totals& totals) {
  sum.requests += value(totals.requests);
  sum.bytes += value(totals.bytes);
  sum.errors += value(totals.errors);
}

void Account::add_to(OpSummary& sum, const Details& details) {
  add_each(sum.errors_by_number, details.errors_by_number);
  add_each(sum.durations, details.durations);
  sum.nanoseconds += value(details.nanoseconds);
  add_each(sum.sizes, details.sizes);
  sum.size_sum += value(details.size_sum);
}

Summary Account::summary() const {
  Summary sum;
  for (std::size_t op = 0; op < counted_ops; ++op) {
    add_to(sum.ops[op], session_[op]);
    add_to(sum.ops[op], anybody_[op]);
    if (const Details* const details = details_[op].load(std::memory_order_acquire)) add_to(sum.ops[op], *details);
  }
  // Read last, so that no more seem to have ended than have begun.
  sum.begun = value(begun_);
  return sum;
}

}  // namespace ashlar::host
