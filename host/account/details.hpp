// The part of an account that only metrics tell: histograms, and errors by number.
#pragma once
#include "account/account.hpp"

namespace ashlar::host {

struct Account::Details {
  std::array<std::atomic<std::uint64_t>, told_errors.size()> errors_by_number{};
  std::array<std::atomic<std::uint64_t>, Buckets::durations> durations{};
  std::atomic<std::uint64_t> nanoseconds{0};
  std::array<std::atomic<std::uint64_t>, Buckets::sizes> sizes{};
  std::atomic<std::uint64_t> size_sum{0};
};

}  // namespace ashlar::host
