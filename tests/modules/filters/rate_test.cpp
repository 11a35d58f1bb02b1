#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "../random_model.hpp"
#include "bench.hpp"
#include "bucket.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace std::chrono_literals;
using ashlar::rate::Bucket;
using ashlar::rate::Clock;
using Catch::Contains;

namespace {

struct Bench {
  FakeHost host;
  ModelDisk disk{1 << 20};
  TestLayer layer;
  std::unique_ptr<TestDevice> device;
  explicit Bench(const Given& given) : layer(own_module(), host, given) {
    disk.geometry().flags |= Flag::shortcuts;
    disk.geometry().preferred = 512;
    disk.fill();
    device = layer.open_over(disk);
  }
  std::string set(const std::vector<std::string>& words) { return host.control().call("set", words); }
};

}  // namespace

TEST_CASE("rate lets through in each stretch of time what is due in it, and no more than a burst beyond") {
  const std::chrono::milliseconds burst(GENERATE(0, 40, 200));
  std::atomic<std::uint64_t> per_second{1'000'000};
  const auto start = Clock::now();
  Bucket bucket(per_second, burst);
  std::mt19937_64 random(1);
  const char* const steps = std::getenv("ASHLAR_STEPS");
  const int end = steps != nullptr ? std::atoi(steps) : 5000;
  // When what passed, with the clock going as it is told to.
  std::vector<std::pair<Clock::time_point, std::uint64_t>> passed;
  Clock::time_point now = start + 1h;
  for (int step = 0; step != end; ++step) {
    const std::uint64_t amount = 1 + random() % 5000;
    const double place = bucket.take(amount, now);
    for (auto left = bucket.due_in(place, now, 1s); left.count() != 0; left = bucket.due_in(place, now, 1s))
      now += left;
    passed.emplace_back(now, amount);
    if (random() % 50 == 0) now += std::chrono::milliseconds(random() % 500);
  }
  bool right = true;
  for (std::size_t from = 0; from < passed.size(); from += 7) {
    std::uint64_t sum = 0;
    for (std::size_t i = from; i != std::min(from + 200, passed.size()); ++i) {
      const double time = std::chrono::duration<double>(passed[i].first - passed[from].first + burst).count();
      // All but the last of them had to be due.
      right = right && static_cast<double>(sum) <= time * 1e6 + 5001;
      sum += passed[i].second;
    }
  }
  CHECK(right);
}

TEST_CASE("rate loses nothing while there is somebody who waits") {
  std::atomic<std::uint64_t> per_second{1'000'000};
  Bucket bucket(per_second, 40ms);
  const auto start = Clock::now() + 1h;
  auto now = start;
  for (int i = 0; i != 10'000; ++i) {
    const double place = bucket.take(1000, now);
    now += bucket.due_in(place, now, 1s);
    now += 300us;  // who asked comes again only then
  }
  // 10 MB are 10 s.
  CHECK(now - start < 10'100ms);
  CHECK(now - start > 9'900ms);
}

TEST_CASE("rate's other limit holds for those that wait, too") {
  std::atomic<std::uint64_t> per_second{1};
  Bucket bucket(per_second, 0ms);
  auto now = Clock::now() + 1h;
  static_cast<void>(bucket.take(1000, now));
  const double place = bucket.take(1, now);
  CHECK(bucket.due_in(place, now, 1s) == 1s);
  per_second = 1000;
  now += 1001ms;
  CHECK(bucket.due_in(place, now, 1s).count() == 0);
  per_second = 0;
  CHECK(bucket.due_in(bucket.take(1 << 30, now), now, 1s).count() == 0);
}

TEST_CASE("rate without limits lets everything through, as the layer below offers it") {
  Bench b(Given{});
  CHECK(b.device->geometry().flags == b.disk.geometry().flags);
  CHECK(b.device->geometry().depth == b.disk.geometry().depth);
  CHECK(read_all(*b.device, 0, 1 << 20) == b.disk.bytes());
  CHECK(b.disk.calls().size() == 1);
}

TEST_CASE("rate makes many calls of a large request, each of what is due in 10 ms") {
  Bench b(Given{{"bytes", "25600000"}});  // 256000 in 10 ms
  const Bytes before = b.disk.bytes();
  CHECK(read_all(*b.device, 1000, 1'000'000) == part(before, 1000, 1'000'000));
  const Calls calls = b.disk.calls();
  CHECK(calls == Calls{{Op::read, 1000, 255'000, {}},
                       {Op::read, 256'000, 256'000, {}},
                       {Op::read, 512'000, 256'000, {}},
                       {Op::read, 768'000, 233'000, {}}});
  b.disk.forget_calls();
  CHECK(b.device->write(0, Bytes(300'000, std::byte{7}), Flag::fua).ok());
  CHECK(b.disk.calls() == Calls{{Op::write, 0, 256'000, {}}, {Op::write, 256'000, 44'000, {}}, {Op::flush, 0, 0, {}}});
  CHECK(part(b.disk.durable(), 0, 300'000) == bytes_of(300'000, 7));
  CHECK(b.disk.breaches().empty());
}

TEST_CASE("rate changes nothing of random requests that it makes several of") {
  Bench b(Given{{"bytes", "25600000"}});
  RandomModel model([&](Io& io) { return b.device->process(io); }, b.device->geometry(), b.disk.bytes());
  model.set_longest(800'000);
  CHECK_NOTHROW(model.run(RandomModel::operations() / 30));
  CHECK((b.disk.bytes() == model.contents()));
  CHECK(b.disk.breaches().empty());
}

TEST_CASE("rate holds up what is more than its limit") {
  const bool bytes = GENERATE(true, false);
  Bench b(Given{{bytes ? "bytes" : "requests", bytes ? "512000" : "1000"}, {"burst", "0s"}});
  const auto start = Clock::now();
  for (int i = 0; i != 51; ++i) CHECK(read_all(*b.device, 0, 512).size() == 512);
  CHECK(Clock::now() - start >= 49ms);
  CHECK(b.host.metrics().value("rate_waits") > 0);
}

TEST_CASE("rate counts the requests that move no bytes among the requests alone") {
  Bench b(Given{{"bytes", "1"}, {"burst", "0s"}});
  CHECK(b.device->zero(0, 1 << 20).ok());
  CHECK(b.device->trim(0, 1 << 20).ok());
  CHECK(b.device->flush().ok());
  CHECK(b.host.metrics().value("rate_waits") == 0);
}

TEST_CASE("rate answers a try without waiting that it would have to hold up") {
  Bench b(Given{{"bytes", "100K"}, {"burst", "0s"}});
  Bytes into(512);
  CHECK(b.device->read(0, into, Flag::nowait).ok());
  CHECK(b.device->read(0, into, Flag::nowait) == Status::would_block());
  CHECK(b.disk.count(Op::read) == 1);
  Bytes large(100'000);
  CHECK(b.device->read(0, large, Flag::nowait) == Status::would_block());
}

TEST_CASE("rate counts nothing of a try that would have blocked below") {
  Bench b(Given{{"requests", "1"}, {"bytes", "1"}, {"burst", "0s"}});
  b.disk.block_always();
  Bytes into(512);
  for (int i = 0; i != 3; ++i) CHECK(b.device->read(0, into, Flag::nowait) == Status::would_block());
  CHECK(b.disk.count(Op::read) == 3);
  CHECK(b.device->read(0, into).ok());
  CHECK(b.host.metrics().value("rate_waits") == 0);
}

TEST_CASE("rate is shared by the connections of an export, or each has its own") {
  const bool shared = GENERATE(true, false);
  Bench b(Given{{"requests", "1"}, {"burst", "0s"}, {"per", shared ? "export" : "connection"}});
  const auto other = b.layer.open_over(b.disk);
  Bytes into(512);
  CHECK(b.device->read(0, into, Flag::nowait).ok());
  CHECK(other->read(0, into, Flag::nowait) == (shared ? Status::would_block() : Status::success()));
}

TEST_CASE("rate's limits are told and set while it runs") {
  Bench b(Given{{"bytes", "1"}, {"burst", "0s"}});
  CHECK(b.set({}) == "bytes=1 requests=0");
  Bytes into(512);
  CHECK(b.device->read(0, into).ok());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    Bytes more(512);
    static_cast<void>(b.device->read(0, more));
    done = true;
  });
  const bool waited = holds_in_time([&] { return b.host.metrics().value("rate_waits") != 0; });
  const std::string told = b.set({"bytes=16M", "requests=1000"});
  const bool went_on = holds_in_time([&] { return done.load(); });
  if (!went_on) b.host.wait().cancel();
  reader.join();
  CHECK(waited);
  CHECK(told == "bytes=16M requests=1000");
  CHECK(went_on);
  CHECK_THROWS_WITH(b.set({"bites=3"}), Contains("\"bites=3\" is no limit"));
  CHECK_THROWS_WITH(b.set({"bytes=x"}), Contains("is not a size"));
  CHECK_THROWS_WITH(b.set({"bytes=1M", "bytes=2M"}), Contains("\"bytes\" stands there twice"));
  CHECK_THROWS_WITH(b.set({"requests=x"}), Contains("is no number of requests"));
  CHECK_THROWS_WITH(b.set({"requests=1000000001"}), Contains("is no number of requests from 0 to 1000000000"));
  CHECK_THROWS_WITH(b.set({"requests=-1"}), Contains("is no number of requests"));
  CHECK(b.set({}) == "bytes=16M requests=1000");
}

TEST_CASE("rate gives up what waits when it is cancelled") {
  Bench b(Given{{"bytes", "1"}, {"burst", "0s"}});
  Bytes into(512);
  CHECK(b.device->read(0, into).ok());
  b.host.wait().cancel();
  CHECK(b.device->read(0, into).code() == ECANCELED);
  CHECK(b.disk.count(Op::read) == 1);
}

TEST_CASE("rate refuses a burst that is no duration") {
  const FakeHost host;
  CHECK_THROWS_WITH(TestLayer(own_module(), host, {{"burst", "40"}}), Contains("\"40\" is no duration"));
}
