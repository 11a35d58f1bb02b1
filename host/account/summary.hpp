// Summary: what requests came to, as plain numbers: of one connection, or of all that an export has had.
#pragma once
#include <array>
#include <ashlar/ops.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ashlar::host {

// What is counted by itself: the seven ops, in the order of Op, and commands that are none of them.
inline constexpr std::size_t counted_ops = 8;
// "read" … "extents", "other". `op` < counted_ops.
const char* counted_op_name(std::size_t op);

// Each bucket but the last holds what is no larger than its bound, and larger than that of the one before; the last
// holds the rest.
struct Buckets {
  static constexpr std::size_t durations = 22;
  // 8192 ns, and twice as much for each bucket that follows: up to 8.6 s.
  static constexpr std::uint64_t duration_bound(std::size_t bucket) { return std::uint64_t{8192} << bucket; }
  static std::size_t of_duration(std::uint64_t nanoseconds);

  static constexpr std::size_t sizes = 19;
  // 512 bytes, and twice as much for each bucket that follows: up to 64 MiB.
  static constexpr std::uint64_t size_bound(std::size_t bucket) { return std::uint64_t{512} << bucket; }
  static std::size_t of_size(std::uint64_t bytes);
};

// The errors that a reply can tell (proto.md, "Error values").
inline constexpr std::array<int, 8> told_errors = {EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN};
// The place of an errno number in told_errors; of any other, that of EIO.
std::size_t error_place(int error);
// "EPERM" and so on. `place` < told_errors.size().
const char* told_error_name(std::size_t place);

struct OpSummary {
  std::uint64_t requests = 0;  // that have been answered, or dropped with their connection
  std::uint64_t bytes = 0;     // of those that were carried out
  std::uint64_t errors = 0;    // requests that were answered with an error, but for FAST_ZERO's "not supported"
  std::array<std::uint64_t, told_errors.size()> errors_by_number{};
  std::array<std::uint64_t, Buckets::durations> durations{};  // from arrival to reply
  std::uint64_t nanoseconds = 0;                              // all of them together
  std::array<std::uint64_t, Buckets::sizes> sizes{};          // as asked for; nothing of flushes
  std::uint64_t size_sum = 0;

  void add(const OpSummary& other);
  bool operator==(const OpSummary&) const = default;
};

struct Summary {
  std::array<OpSummary, counted_ops> ops{};
  std::uint64_t begun = 0;  // requests

  void add(const Summary& other);
  bool operator==(const Summary&) const = default;
  const OpSummary& of(Op op) const { return ops[static_cast<std::size_t>(op)]; }
  std::uint64_t ended() const;
  std::uint64_t bytes() const;
  std::uint64_t errors() const;
  std::uint64_t in_flight() const { return begun > ended() ? begun - ended() : 0; }

 private:
  std::uint64_t sum_of(std::uint64_t OpSummary::*what) const;
};

}  // namespace ashlar::host
