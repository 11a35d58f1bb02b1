#include "account/summary.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

namespace ashlar::host {
namespace {

// Of bounds that double from `first` on, so many: the first that is not below `value`.
std::size_t bucket_of(std::uint64_t value, std::uint64_t first, std::size_t buckets) {
  if (value <= first) return 0;
  const auto bucket = static_cast<std::size_t>(std::bit_width((value - 1) / first));
  return std::min(bucket, buckets - 1);
}

template <class Array>
void add_each(Array& to, const Array& from) {
  std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<>());
}

}  // namespace

const char* counted_op_name(std::size_t op) { return op + 1 == counted_ops ? "other" : name(static_cast<Op>(op)); }

std::size_t Buckets::of_duration(std::uint64_t nanoseconds) {
  return bucket_of(nanoseconds, duration_bound(0), durations);
}

std::size_t Buckets::of_size(std::uint64_t bytes) { return bucket_of(bytes, size_bound(0), sizes); }

std::size_t error_place(int error) {
  const auto at = std::find(told_errors.begin(), told_errors.end(), error);
  return at != told_errors.end() ? static_cast<std::size_t>(at - told_errors.begin()) : error_place(EIO);
}

const char* told_error_name(std::size_t place) {
  constexpr const char* names[] = {"EPERM", "EIO", "ENOMEM", "EINVAL", "ENOSPC", "EOVERFLOW", "ENOTSUP", "ESHUTDOWN"};
  static_assert(std::size(names) == told_errors.size());
  return names[place];
}

void OpSummary::add(const OpSummary& other) {
  requests += other.requests;
  bytes += other.bytes;
  errors += other.errors;
  add_each(errors_by_number, other.errors_by_number);
  add_each(durations, other.durations);
  nanoseconds += other.nanoseconds;
  add_each(sizes, other.sizes);
  size_sum += other.size_sum;
}

void Summary::add(const Summary& other) {
  for (std::size_t op = 0; op < counted_ops; ++op) ops[op].add(other.ops[op]);
  begun += other.begun;
}

std::uint64_t Summary::ended() const { return sum_of(&OpSummary::requests); }
std::uint64_t Summary::bytes() const { return sum_of(&OpSummary::bytes); }
std::uint64_t Summary::errors() const { return sum_of(&OpSummary::errors); }

std::uint64_t Summary::sum_of(std::uint64_t OpSummary::*what) const {
  return std::accumulate(ops.begin(), ops.end(), std::uint64_t{0},
                         [what](std::uint64_t sum, const OpSummary& op) { return sum + op.*what; });
}

}  // namespace ashlar::host
