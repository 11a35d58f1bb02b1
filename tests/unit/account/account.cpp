#include "account/account.hpp"

#include <cerrno>
#include <thread>

#include "account/accounts.hpp"
#include "unit/matchers.hpp"

using namespace ashlar::host;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t read_op = 0, write_op = 1, flush_op = 2;

Ended ended(std::size_t op, std::uint32_t length, Account::Clock::time_point arrived, int error = 0) {
  return {.op = op,
          .length = length,
          .carried_out = true,
          .counts_as_error = error != 0,
          .error = error,
          .arrived = arrived};
}

}  // namespace

TEST_CASE("a bucket holds what is no larger than its bound") {
  for (std::size_t i = 0; i + 1 < Buckets::sizes; ++i) {
    CHECK(Buckets::of_size(Buckets::size_bound(i)) == i);
    CHECK(Buckets::of_size(Buckets::size_bound(i) + 1) == i + 1);
  }
  for (std::size_t i = 0; i + 1 < Buckets::durations; ++i) {
    CHECK(Buckets::of_duration(Buckets::duration_bound(i)) == i);
    CHECK(Buckets::of_duration(Buckets::duration_bound(i) + 1) == i + 1);
  }
  CHECK(Buckets::of_size(0) == 0);
  CHECK(Buckets::of_size(UINT64_MAX) == Buckets::sizes - 1);
  CHECK(Buckets::of_duration(UINT64_MAX) == Buckets::durations - 1);
}

TEST_CASE("errors are counted by number, those that no reply tells as EIO") {
  for (std::size_t i = 0; i < told_errors.size(); ++i) CHECK(error_place(told_errors[i]) == i);
  CHECK(told_errors[error_place(EBADF)] == EIO);
  CHECK(std::string(told_error_name(error_place(ENOSPC))) == "ENOSPC");
}

TEST_CASE("requests of one kind that ended together count as they would one by one") {
  const auto now = Account::Clock::now();
  for (const Account::By by : {Account::By::session, Account::By::anybody}) {
    for (const int error : {0, ENOSPC}) {
      Accounts together, apart;
      Account once(together, {}), thrice(apart, {});
      Ended ones = ended(write_op, 4096, now, error);
      for (int i = 0; i < 3; ++i) {
        once.begun(write_op);
        thrice.begun(write_op);
        thrice.ended(ones, by, now + 20us);
      }
      ones.requests = 3;
      once.ended(ones, by, now + 20us);
      CHECK(together.summary() == apart.summary());
      CHECK(together.summary().ended() == 3);
    }
  }
}

TEST_CASE("requests that differ in anything are not of one kind") {
  const auto now = Account::Clock::now();
  const Ended one = ended(read_op, 4096, now);
  CHECK(one.like(ended(read_op, 4096, now)));
  CHECK_FALSE(one.like(ended(write_op, 4096, now)));
  CHECK_FALSE(one.like(ended(read_op, 512, now)));
  CHECK_FALSE(one.like(ended(read_op, 4096, now + 1ns)));
  CHECK_FALSE(one.like(ended(read_op, 4096, now, EIO)));
  Ended refused = one;
  refused.carried_out = false;
  CHECK_FALSE(one.like(refused));
  Ended as_asked = ended(read_op, 4096, now, ENOTSUP);
  as_asked.counts_as_error = false;
  CHECK_FALSE(as_asked.like(ended(read_op, 4096, now, ENOTSUP)));
}

TEST_CASE("what a connection did stays counted when it is gone, and is under way no more") {
  Accounts all;
  const auto now = Account::Clock::now();
  {
    Account one(all, {.number = 7, .identity = "psk alice", .read_only = true});
    CHECK(all.connections() == 1);
    for (const std::size_t op : {read_op, read_op, write_op, flush_op}) one.begun(op);
    one.ended(ended(read_op, 4096, now), Account::By::session, now + 10us);
    one.ended(ended(write_op, 512, now, ENOSPC), Account::By::anybody, now + 3ms);
    CHECK(one.summary().in_flight() == 2);
    CHECK(one.connection() == 7);
    CHECK(one.identity() == "psk alice");
    CHECK(all.summary().in_flight() == 2);
  }
  CHECK(all.connections() == 0);
  CHECK(all.connections_so_far() == 1);
  const Summary sum = all.summary();
  CHECK(sum.in_flight() == 0);
  CHECK(sum.ended() == 2);
  CHECK(sum.bytes() == 4096);
  CHECK(sum.errors() == 1);
  const OpSummary& reads = sum.ops[read_op];
  CHECK(reads.durations[Buckets::of_duration(10'000)] == 1);
  CHECK(reads.nanoseconds == 10'000);
  CHECK(reads.sizes[Buckets::of_size(4096)] == 1);
  const OpSummary& writes = sum.ops[write_op];
  CHECK(writes.errors_by_number[error_place(ENOSPC)] == 1);
  CHECK(writes.durations[Buckets::of_duration(3'000'000)] == 1);
  CHECK(writes.size_sum == 512);
}

TEST_CASE("flushes have no size") {
  Accounts all;
  Account one(all, {});
  one.begun(flush_op);
  const auto now = Account::Clock::now();
  one.ended(ended(flush_op, 123, now), Account::By::session, now);
  const Summary sum = one.summary();
  CHECK(sum.ops[flush_op].requests == 1);
  CHECK(sum.ops[flush_op].size_sum == 0);
}

TEST_CASE("workers and readers at the same time") {
  constexpr int rounds = 20'000;
  Accounts all;
  Account one(all, {});
  const auto now = Account::Clock::now();
  const auto work = [&](Account::By by) {
    for (int i = 0; i < rounds; ++i) one.ended(ended(read_op, 1, now), by, now);
  };
  for (int i = 0; i < 3 * rounds; ++i) one.begun(read_op);
  std::thread first(work, Account::By::anybody), second(work, Account::By::anybody),
      session(work, Account::By::session);
  std::uint64_t last = 0;
  bool rises = true;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t requests = all.summary().ended();
    rises = rises && requests >= last;
    last = requests;
  }
  first.join();
  second.join();
  session.join();
  CHECK(rises);
  CHECK(all.summary().ops[read_op].requests == 3 * rounds);
  CHECK(all.summary().ops[read_op].durations[0] == 3 * rounds);
  CHECK(all.summary().in_flight() == 0);
}
