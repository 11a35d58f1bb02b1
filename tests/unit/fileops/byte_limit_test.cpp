// How many bytes requests have at once.
#include "fileops/byte_limit.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

// What waits does so by the host, or blocks its thread.
struct Limited : private Log, ByteLimit {
  explicit Limited(std::uint64_t most, bool host_offers_to_wait = true)
      : ByteLimit(host_offers_to_wait ? wait_of(host()) : std::nullopt, most) {}
  using Log::wait;
  User user, other;
};

}  // namespace

TEST_CASE("more bytes than there are to be had are for who has none") {
  Limited limit(100);
  {
    const ByteLimit::Share all(limit, limit.user, 1000, false);
    CHECK(all.held());
    CHECK_FALSE(ByteLimit::Share(limit, limit.user, 1, false).held());
  }
  const ByteLimit::Share some(limit, limit.user, 60, false);
  CHECK(some.held());
  CHECK_FALSE(ByteLimit::Share(limit, limit.user, 41, false).held());
  CHECK(ByteLimit::Share(limit, limit.user, 40, false).held());
  CHECK(ByteLimit::Share(limit, limit.user, 40, false).held());  // it was given back
}

TEST_CASE("who has no bytes waits for none of those of others, and who waits has them when his own are given back") {
  Limited limit(100);
  std::optional<ByteLimit::Share> all(std::in_place, limit, limit.user, 100, false);
  std::atomic<bool> waits{true};
  std::thread behind([&] {
    const ByteLimit::Share share(limit, limit.user, 1);
    waits = false;
  });
  while (limit.wait.waiting() != 1) std::this_thread::yield();
  std::optional<ByteLimit::Share> first(std::in_place, limit, limit.other, 80, false);
  CHECK(first->held());
  CHECK_FALSE(ByteLimit::Share(limit, limit.other, 1, false).held());
  std::atomic<unsigned> done{0};
  std::vector<std::thread> others;
  for (int i = 0; i != 3; ++i)
    others.emplace_back([&] {
      const ByteLimit::Share share(limit, limit.other, 80);
      done += share.held() ? 1 : 0;
    });
  while (limit.wait.waiting() != 4) std::this_thread::yield();
  CHECK(done == 0);
  first.reset();
  for (std::thread& one : others) one.join();
  CHECK(done == 3);
  CHECK(waits);
  CHECK(limit.used() == 100);
  all.reset();
  behind.join();
  CHECK(limit.used() == 0);
}

TEST_CASE("who waits for bytes has them in the order of coming, and nobody overtakes") {
  Limited limit(100);
  std::optional<ByteLimit::Share> first(std::in_place, limit, limit.user, 60);
  std::atomic<bool> large_has{false}, may_end{false};
  std::thread large([&] {
    const ByteLimit::Share share(limit, limit.user, 80);
    large_has = share.held();
    while (!may_end) std::this_thread::yield();
  });
  while (limit.wait.waiting() != 1) std::this_thread::yield();
  CHECK_FALSE(large_has);
  CHECK_FALSE(ByteLimit::Share(limit, limit.user, 10, false).held());  // though there is room
  first.reset();
  while (!large_has) std::this_thread::yield();
  CHECK(ByteLimit::Share(limit, limit.user, 20, false).held());
  CHECK_FALSE(ByteLimit::Share(limit, limit.user, 21, false).held());
  may_end = true;
  large.join();
}

TEST_CASE("of many threads no more have bytes at once than there are, and all come to an end") {
  constexpr std::uint64_t most = 1000;
  Limited limit(most, GENERATE(true, false));
  std::atomic<std::uint64_t> used{0};
  std::atomic<bool> too_much{false};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 1; t <= 8; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 2000; ++i) {
        const std::uint64_t bytes = 1 + (i * 37 + t * 101) % most;
        const ByteLimit::Share share(limit, limit.user, bytes);
        if (!share.held() || used.fetch_add(bytes) + bytes > most) too_much = true;
        used -= bytes;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(too_much);
  CHECK(ByteLimit::Share(limit, limit.user, most, false).held());
}
