// Pending when there is no memory: no request is forgotten, and none is counted twice.
#include <new>

#include "../no_memory.hpp"
#include "catch.hpp"
#include "pending.hpp"

using namespace ashlar::trace;

TEST_CASE("What is pending when memory runs out is counted, but for what is still in the ring") {
  constexpr std::uint64_t all = 200;  // more than there are lists at first
  const std::vector<std::byte> payload(100);
  std::uint64_t taken = 0;
  for (std::size_t allocations = 0; taken != all; ++allocations) {
    REQUIRE(allocations < 10'000);
    Pending pending;
    taken = 0;
    Asked asked{};
    asked.length = 512;
    const auto done = [&](bool lent_cold) {
      asked.lent_cold = lent_cold ? 1 : 0;
      pending.done(asked, lent_cold ? std::span<const std::byte>() : payload);
      ++taken;
    };
    ashlar::host::allocations_left = allocations;
    try {
      for (asked.id = 1; asked.id <= all; ++asked.id) {
        if (asked.id % 2 == 0) pending.tried(asked);
        if (asked.id % 3 == 0) {
          done(true);
          --taken;  // it comes again
        }
        done(false);
      }
    } catch (const std::bad_alloc&) {
    }
    ashlar::host::allocations_left = SIZE_MAX;
    std::uint64_t counted = 0;
    pending.give_up(UINT64_MAX, [&counted](const Pending::One&) { ++counted; });
    CHECK(counted == taken);
    CHECK(pending.size() == 0);
  }
}
