// What clients together may hold, and who waits for whom.
#include <future>
#include <thread>

#include "fake_disk.hpp"
#include "matchers.hpp"
#include "parts.hpp"
#include "session/manners.hpp"
#include "session/pace.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t share = 2 * BufferPool::usual_capacity;

struct Waiting final : MemoryLimit::Waiting {
  void granted() noexcept override { ++times; }
  int times = 0;
};

}  // namespace

TEST_CASE("memory is granted to those who came first, and a small claim does not overtake a large one") {
  MemoryLimit limit(10);
  Waiting who;
  REQUIRE(limit.try_claim(8));
  MemoryLimit::Claim large(limit, 9, who), small(limit, 1, who);
  CHECK(limit.waiting() == 2);
  CHECK_FALSE(limit.try_claim(1));
  limit.release(2);
  CHECK_FALSE(large.granted());
  CHECK_FALSE(small.granted());
  limit.release(6);
  CHECK(large.granted());
  CHECK(small.granted());
  CHECK(who.times == 2);
  CHECK(limit.waiting() == 0);
}

TEST_CASE("a claim that is given up lets the next one through") {
  MemoryLimit limit(10);
  Waiting who;
  REQUIRE(limit.try_claim(5));
  auto large = std::make_unique<MemoryLimit::Claim>(limit, 10, who);
  const MemoryLimit::Claim small(limit, 5, who);
  CHECK_FALSE(small.granted());
  large.reset();
  CHECK(small.granted());
}

TEST_CASE("a claim that was granted and not kept is released; one that was kept is not") {
  MemoryLimit limit(10);
  Waiting who;
  { const MemoryLimit::Claim claim(limit, 10, who); }
  CHECK(limit.try_claim(10));
  limit.release(10);
  {
    MemoryLimit::Claim claim(limit, 10, who);
    claim.keep();
  }
  CHECK_FALSE(limit.try_claim(1));
}

TEST_CASE("a session's share counts while it has it, its two buffers count nothing more, and it goes back whole") {
  BufferPool pool(BufferPool::Limits{.shares = share, .rest = mib});
  Parts parts(pool);
  auto one = parts.memory.usual(), two = parts.memory.usual();
  REQUIRE((one && two));
  CHECK(parts.memory.usual() == nullptr);
  CHECK(pool.try_take(mib) != nullptr);
  parts.memory.give_share_back();  // not while a buffer of it is in use
  CHECK_FALSE(pool.shares().try_claim(1));
  one.reset();
  two.reset();
  parts.memory.give_share_back();
  CHECK_FALSE(parts.memory.has_share());
  CHECK(pool.shares().try_claim(share));
}

TEST_CASE("a share that was enlarged counts whole, from the next claim on") {
  BufferPool pool(BufferPool::Limits{.shares = 3 * share, .rest = mib});
  Parts parts(pool);
  parts.memory.give_share_back();
  parts.memory.enlarge_share(share);
  REQUIRE(parts.memory.claim_share());
  CHECK(parts.memory.bytes() == 2 * share);
  CHECK_FALSE(pool.shares().try_claim(share + 1));
  parts.memory.give_share_back();
  CHECK(parts.memory.bytes() == 0);
  CHECK(pool.shares().try_claim(3 * share));
}

TEST_CASE("a session gets its share though all other memory is taken, and waits for it when the shares are") {
  BufferPool pool(BufferPool::Limits{.shares = share, .rest = mib});
  const auto held = pool.try_take(mib);
  Parts parts(pool);
  CHECK(parts.memory.has_share());
  WirePair wire;
  const auto socket = wire.make_socket();
  Waiter waiter(*socket);
  const std::atomic<bool> stopping{false};
  MemoryUse other(pool, waiter, *socket, stopping);
  auto claimed = std::async(std::launch::async, [&] { return other.claim_share(); });
  while (!pool.wanted()) std::this_thread::yield();
  CHECK(parts.memory.wanted_by_others());
  parts.memory.give_share_back();
  CHECK(claimed.get());
}

TEST_CASE("who waits for memory gives back what it need not hold, and others see that it waits, but not itself") {
  BufferPool pool(with_room(mib));
  Parts parts(pool), others(pool);
  auto held = pool.try_take(mib);
  bool given_back = false;
  parts.memory.set_give_back([&] { given_back = true; });
  auto taken = std::async(std::launch::async, [&] { return parts.memory.take(mib); });
  while (!pool.wanted()) std::this_thread::yield();
  CHECK(others.memory.wanted_by_others());
  CHECK_FALSE(parts.memory.wanted_by_others());
  held.reset();
  CHECK(taken.get()->capacity() == mib);
  CHECK(given_back);
}

TEST_CASE("others want memory: a session keeps the part of its share that replies under way will need") {
  FakeDisk disk;
  disk.open();
  BufferPool pool(with_room(mib));
  Parts parts(pool);
  Workers workers(1);
  Outlet outlet(*parts.socket, workers, parts.memory, parts.waits_to_send);
  Ledger ledger(disk.chain());
  HeldReply held;
  ReplyBatch replies(outlet, parts.memory, ledger, held);
  Manners manners(parts.memory, parts.inbox, replies, outlet);
  Waiting who;
  const auto others = take(pool, mib);
  const MemoryLimit::Claim claim(pool.limit(), mib, who);
  REQUIRE(parts.memory.wanted_by_others());
  manners.before_client(true);
  CHECK_FALSE(parts.memory.has_share());  // without what the socket keeps, replies need none of it
  parts.memory.enlarge_share(1000);
  REQUIRE(parts.memory.claim_share());
  manners.before_client(true);
  CHECK(parts.memory.has_share());
  manners.before_client(false);
  CHECK_FALSE(parts.memory.has_share());
}

TEST_CASE("a wait for memory ends when the server stops, or when the client has gone") {
  BufferPool pool(with_room(mib));
  Parts parts(pool);
  const auto held = pool.try_take(mib);
  auto taken = std::async(std::launch::async, [&] { return parts.memory.take(mib); });
  while (!pool.wanted()) std::this_thread::yield();
  SECTION("stops") { parts.stopping = true; }
  SECTION("gone") { parts.wire.hang_up(); }
  CHECK(taken.get() == nullptr);
  CHECK_FALSE(pool.wanted());
}

TEST_CASE("a buffer of the share that comes free ends the wait for one of its size") {
  BufferPool pool(with_room(mib));
  const auto held = pool.try_take(mib);
  Parts parts(pool);
  auto one = parts.memory.usual(), two = parts.memory.usual();
  auto taken = std::async(std::launch::async, [&] { return parts.memory.take(BufferPool::usual_capacity); });
  while (!pool.wanted()) std::this_thread::yield();
  one.reset();
  CHECK(taken.get() != nullptr);
}

TEST_CASE("a client is too slow when it moves less than 1 MiB in 10 s of waiting for it") {
  using std::chrono::seconds;
  Pace pace;
  CHECK_FALSE(pace.too_slow(seconds(9), Pace::least_bytes - 1));
  SECTION("moves enough in time") {
    CHECK_FALSE(pace.too_slow(seconds(0), 1));
    CHECK_FALSE(pace.too_slow(seconds(9), 0));
  }
  SECTION("does not") { CHECK(pace.too_slow(seconds(1), 0)); }
  SECTION("nobody wants memory any more") {
    pace.reset();
    CHECK_FALSE(pace.too_slow(seconds(9), 0));
  }
}

}  // namespace ashlar::host
