// No write is lost: what runs together through align, and what does not.
#include <ashlar/range_lock.hpp>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

// An event that one thread waits for and another sets.
class Event {
 public:
  void set() {
    const std::lock_guard guard(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [this] { return set_; });
  }
  // Whether it was set within `time`.
  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock guard(mutex_);
    return changed_.wait_for(guard, time, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// How long to wait for what must not happen, which gives it a fair chance, and for what must happen.
constexpr std::chrono::milliseconds a_little{50}, for_sure{60'000};

// Two connections of one export. The first writes 10 bytes at 100; while it is between its read and its write of block
// 0, the `other` request runs on the second. Returns whether the other reached the disk meanwhile; waits `patience` for
// that.
bool overlaps_rmw(const std::function<Status(TestDevice&)>& other, Op op, std::chrono::milliseconds patience) {
  FakeHost host;
  ModelDisk disk(8192);
  disk.fill();
  const TestLayer layer(own_module(), host, {{"block_size", "512"}});
  const auto first = layer.open_over(disk), second = layer.open_over(disk);
  Event reached;
  std::thread thread;
  bool overlapped = false, started = false;
  const auto first_thread = std::this_thread::get_id();
  disk.on_call([&](const Call& call) {
    if (std::this_thread::get_id() != first_thread) {
      if (call.op == op) reached.set();
    } else if (call.op == Op::write && !started) {
      started = true;
      thread = std::thread([&] { static_cast<void>(other(*second)); });
      overlapped = reached.wait_for(patience);
    }
  });
  CHECK(first->write(100, bytes_of(10, 1)).ok());
  thread.join();
  reached.wait();  // afterwards it does run
  return overlapped;
}

}  // namespace

TEST_CASE("align: whatever changes a block waits for its read-modify-write, on another connection, too") {
  const Bytes block = bytes_of(512, 2);
  CHECK_FALSE(overlaps_rmw([&](TestDevice& d) { return d.write(0, block); }, Op::write, a_little));
  CHECK_FALSE(overlaps_rmw([&](TestDevice& d) { return d.write(200, bytes_of(1, 3)); }, Op::write, a_little));
  CHECK_FALSE(overlaps_rmw([](TestDevice& d) { return d.zero(0, 1024); }, Op::zero, a_little));
  CHECK_FALSE(overlaps_rmw([](TestDevice& d) { return d.trim(0, 512); }, Op::trim, a_little));
}

TEST_CASE("align: other blocks and reads do not wait for a read-modify-write") {
  const Bytes block = bytes_of(512, 2);
  CHECK(overlaps_rmw([&](TestDevice& d) { return d.write(512, block); }, Op::write, for_sure));
  CHECK(overlaps_rmw([&](TestDevice& d) { return d.write(600, bytes_of(1, 3)); }, Op::write, for_sure));
  CHECK(overlaps_rmw([](TestDevice& d) { return d.flush(); }, Op::flush, for_sure));
  CHECK(overlaps_rmw(
      [](TestDevice& d) {
        read_all(d, 50, 100);
        return Status::success();
      },
      Op::read, for_sure));
}

TEST_CASE("align: a try without waiting on a block that is being changed would block, and changes nothing") {
  FakeHost host;
  ModelDisk disk(8192);
  disk.geometry().flags |= Flag::nowait;
  const TestLayer layer(own_module(), host, {{"block_size", "512"}});
  const auto first = layer.open_over(disk), second = layer.open_over(disk);
  Status there = Status::success(), beside = Status::io_error();
  disk.on_call([&](const Call& call) {
    if (call.op != Op::read) return;
    there = second->write(0, bytes_of(512, 2), Flag::nowait);
    beside = second->write(512, bytes_of(512, 2), Flag::nowait);
  });
  CHECK(first->write(1, bytes_of(1, 1)).ok());
  CHECK(there == Status::would_block());
  CHECK(beside.ok());
}

TEST_CASE("align: of a whole write that races a small one, not a byte is lost") {
  FakeHost host;
  ModelDisk disk(1024);
  const TestLayer layer(own_module(), host, {{"block_size", "512"}});
  const auto first = layer.open_over(disk), second = layer.open_over(disk);
  disk.on_call([](const Call&) { std::this_thread::yield(); });
  for (unsigned round = 1; round < 400; ++round) {
    const Bytes whole = bytes_of(1024, round % 256);
    const Bytes small = bytes_of(600, (round + 128) % 256);
    std::atomic<int> ready{0};
    const auto together = [&] {
      for (++ready; ready != 2;) std::this_thread::yield();
    };
    Status s;
    std::thread other([&] {
      together();
      s = second->write(200, small);
    });
    together();
    const Status t = first->write(0, whole);
    other.join();
    REQUIRE((s.ok() && t.ok()));
    Bytes patched = whole;
    put(patched, 200, small);
    REQUIRE((disk.bytes() == whole || disk.bytes() == patched));
  }
}

TEST_CASE("align: many small writes to the same blocks all arrive") {
  constexpr std::size_t threads = 4, own = 100, rounds = 200;
  FakeHost host;
  ModelDisk disk(512);
  const TestLayer layer(own_module(), host, {{"block_size", "512"}});
  disk.on_call([](const Call&) { std::this_thread::yield(); });
  std::vector<std::thread> running;
  std::atomic<bool> right{true};
  for (std::size_t t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      const auto device = layer.open_over(disk);
      for (std::size_t i = 1; i <= rounds; ++i) {
        const Bytes mine = bytes_of(own, static_cast<unsigned>(i));
        if (!device->write(t * own, mine).ok() || read_all(*device, t * own, own) != mine) right = false;
      }
    });
  for (auto& t : running) t.join();
  CHECK(right);
  CHECK(disk.breaches().empty());
}

TEST_CASE("range lock: nobody who waits is overtaken") {
  const FakeHost host;
  RangeLock lock{Wait(Host(host.services()))};
  using Mode = RangeLock::Mode;
  std::vector<int> order;
  std::thread writer;
  {
    const RangeLock::Hold reader(lock, 0, 10, Mode::shared);
    writer = std::thread([&] {
      const RangeLock::Hold hold(lock, 5, 6, Mode::exclusive);
      order.push_back(1);
    });
    // Once the writer waits, another shared one no longer fits beside the first.
    for (bool overtakes = true; overtakes;) {
      overtakes = RangeLock::Hold(lock, 0, 10, Mode::shared, std::try_to_lock).held();
      std::this_thread::yield();
    }
    CHECK(RangeLock::Hold(lock, 6, 10, Mode::shared, std::try_to_lock).held());
    CHECK_FALSE(RangeLock::Hold(lock, 9, 11, Mode::exclusive, std::try_to_lock).held());
    order.push_back(0);
  }
  writer.join();
  CHECK(order == std::vector<int>{0, 1});
  CHECK(RangeLock::Hold(lock, 0, 100, Mode::exclusive, std::try_to_lock).held());
}
