// The filter fault's pause, and what it keeps apart until it is flushed.
#include <algorithm>
#include <ashlar/filter.hpp>
#include <chrono>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using Catch::Contains;

namespace {

constexpr std::size_t disk_size = 65536 + 512;

struct Volatile {
  FakeHost host;
  ModelDisk disk{disk_size};
  TestLayer layer;
  std::unique_ptr<TestDevice> device;
  explicit Volatile(const Given& given = {{"volatile", "true"}}) : layer(own_module(), host, given) {
    disk.geometry().flags |= Flag::nowait;
    disk.fill();
    device = layer.open_over(disk);
  }
  std::string verb(const std::string& name) { return host.control().call_over(disk, name); }
};

// Brings the bytes of a read as they were before something else is done.
class Late final : public Filter {
 public:
  using Filter::Filter;
  Status read(Io& io) noexcept override {
    const Status s = next(io);
    if (then) std::exchange(then, nullptr)();
    return s;
  }
  static inline std::function<void()> then;
};

}  // namespace

TEST_CASE("fault lets everything through without rules, as the layer below offers it") {
  Volatile b(Given{});
  CHECK(b.device->geometry().flags == b.disk.geometry().flags);
  CHECK(b.device->geometry().ops == b.disk.geometry().ops);
  CHECK(b.device->write(512, bytes_of(512, 7), Flag::fua).ok());
  CHECK(b.disk.calls() == Calls{{Op::write, 512, 512, Flag::fua}});
}

TEST_CASE("fault keeps what is written apart, shows it, and writes it below with the flush") {
  Volatile b;
  const Bytes before = b.disk.bytes();
  Bytes written(3000);
  for (std::size_t i = 0; i != written.size(); ++i) written[i] = static_cast<std::byte>(i % 253);
  CHECK(b.device->write(1000, written).ok());
  CHECK(b.device->write(2000, bytes_of(500, 8)).ok());
  CHECK(b.device->zero(3000, 100, Flag::may_trim).ok());
  Bytes wanted = before;
  put(wanted, 1000, written);
  put(wanted, 2000, bytes_of(500, 8));
  put(wanted, 3000, bytes_of(100, 0));
  CHECK(read_all(*b.device, 0, disk_size) == wanted);
  CHECK(read_all(*b.device, 2400, 200) == part(wanted, 2400, 200));
  CHECK(b.disk.bytes() == before);
  CHECK(b.device->flush().ok());
  CHECK(b.disk.durable() == wanted);
  CHECK(b.verb("power-cut") == "0 bytes that were not flushed are gone");
  CHECK(read_all(*b.device, 0, disk_size) == wanted);
  CHECK(b.disk.breaches().empty());
}

TEST_CASE("fault drops what was not flushed when the power is cut, and nothing else") {
  Volatile b;
  CHECK(b.device->write(0, bytes_of(512, 1)).ok());
  CHECK(b.device->flush().ok());
  CHECK(b.device->write(0, bytes_of(1024, 2)).ok());
  CHECK(b.device->write(4096, bytes_of(512, 3), Flag::fua).ok());
  CHECK(b.device->zero(8192, 512, Flag::fua).ok());
  Bytes wanted = b.disk.durable();
  CHECK(b.verb("power-cut") == "1024 bytes that were not flushed are gone");
  CHECK(read_all(*b.device, 0, disk_size) == wanted);
  CHECK(part(wanted, 0, 512) == bytes_of(512, 1));
  CHECK(part(wanted, 4096, 512) == bytes_of(512, 3));
  CHECK(part(wanted, 8192, 512) == bytes_of(512, 0));
  CHECK(b.host.metrics().value("fault_power_cuts") == 1);
}

TEST_CASE("fault keeps what a flush could not write, and tries again with the next") {
  Volatile b;
  CHECK(b.device->write(0, bytes_of(512, 1)).ok());
  CHECK(b.device->write(4096, bytes_of(512, 2)).ok());
  b.disk.fail_call(1, Status::io_error());
  CHECK(b.device->flush() == Status::io_error());
  CHECK(read_all(*b.device, 4096, 512) == bytes_of(512, 2));
  CHECK(b.device->flush().ok());
  CHECK(part(b.disk.durable(), 0, 512) == bytes_of(512, 1));
  CHECK(part(b.disk.durable(), 4096, 512) == bytes_of(512, 2));
}

TEST_CASE("fault writes in requests that the layer below takes") {
  FakeHost host;
  ModelDisk disk(disk_size);
  disk.geometry().maximum = 4096;
  const TestLayer layer(own_module(), host, {{"volatile", "true"}});
  const auto device = layer.open_over(disk);
  for (std::uint64_t at = 0; at != 16384; at += 4096) CHECK(device->write(at, bytes_of(4096, 9)).ok());
  CHECK(device->flush().ok());
  CHECK(disk.breaches().empty());
  CHECK(part(disk.durable(), 0, 16384) == bytes_of(16384, 9));
}

TEST_CASE("fault trims nothing of which something is kept") {
  Volatile b;
  CHECK(b.device->write(4096, bytes_of(512, 7)).ok());
  CHECK(b.device->trim(0, 8192).ok());
  CHECK(b.disk.count(Op::trim) == 0);
  CHECK(b.device->trim(8192, 4096).ok());
  CHECK(b.disk.calls() == Calls{{Op::trim, 8192, 4096, {}}});
  CHECK(read_all(*b.device, 4096, 512) == bytes_of(512, 7));
}

TEST_CASE("fault writes below what is more than volatile_size, as a disk's cache does") {
  Volatile b(Given{{"volatile", "true"}, {"volatile_size", "64K"}});
  CHECK(b.device->write(0, bytes_of(40000, 1)).ok());
  CHECK(b.disk.count(Op::write) == 0);
  CHECK(b.device->write(0, bytes_of(40000, 2)).ok());
  CHECK(b.disk.count(Op::write) == 1);
  CHECK(read_all(*b.device, 0, 40000) == bytes_of(40000, 2));
  b.verb("power-cut");
  CHECK(read_all(*b.device, 0, 40000) == bytes_of(40000, 1));
}

TEST_CASE("fault writes nothing that is older over what is newer, however flushes meet") {
  Volatile b;
  std::atomic<bool> within{false}, may_end{false};
  b.disk.on_call([&](const Call& call) {
    if (call.op != Op::write || within.exchange(true)) return;
    static_cast<void>(holds_in_time([&] { return may_end.load(); }));
  });
  CHECK(b.device->write(0, bytes_of(4096, 1)).ok());
  CHECK(b.device->write(8192, bytes_of(4096, 1)).ok());
  std::thread first([&] { static_cast<void>(b.device->flush()); });
  CHECK(holds_in_time([&] { return within.load(); }));
  CHECK(b.device->write(0, bytes_of(4096, 2)).ok());
  const bool fua = GENERATE(false, true);
  std::thread second([&] {
    if (fua) static_cast<void>(b.device->write(8192, bytes_of(4096, 2), Flag::fua));
    else static_cast<void>(b.device->flush());
  });
  CHECK(holds_in_time([&] { return b.host.wait().waiting() != 0; }));
  may_end = true;
  first.join();
  second.join();
  CHECK(b.device->flush().ok());
  CHECK(part(b.disk.durable(), 0, 4096) == bytes_of(4096, 2));
  CHECK(part(b.disk.durable(), 8192, 4096) == bytes_of(4096, fua ? 2 : 1));
}

TEST_CASE("fault reads what goes below meanwhile") {
  Volatile b;
  CHECK(b.device->write(0, bytes_of(4096, 1)).ok());
  const auto other = b.layer.open_over(b.disk);
  std::atomic<bool> flushed{false};
  static constexpr ashlar_module late_module = module_of<Late>({.name = "late"});
  const TestLayer late_layer(late_module, b.host);
  const auto below = late_layer.open_over(b.disk);
  const auto reader = b.layer.open_over(*below);
  Late::then = [&] { flushed = other->flush().ok(); };
  Bytes wanted = b.disk.bytes();
  put(wanted, 0, bytes_of(4096, 1));
  CHECK(read_all(*reader, 0, 8192) == part(wanted, 0, 8192));
  CHECK(flushed);
}

TEST_CASE("fault tells extents of what it keeps and of what is below") {
  FakeHost host;
  ModelDisk disk(disk_size);
  const TestLayer layer(own_module(), host, {{"volatile", "true"}});
  const auto device = layer.open_over(disk);
  CHECK(device->write(4096, bytes_of(4096, 1)).ok());
  CHECK(device->zero(12288, 4096).ok());
  ExtentList list;
  for (std::uint64_t at = 0; at != 20480; at = list.total()) CHECK(device->extents(at, 20480 - at, list).ok());
  CHECK(list.extents() == std::vector<ListedExtent>{{4096, Extent::sparse},
                                                    {4096, Extent::allocated},
                                                    {4096, Extent::sparse},
                                                    {4096, Extent::zero},
                                                    {4096, Extent::sparse}});
}

TEST_CASE("fault wants a layer below that can flush for what it keeps apart") {
  FakeHost host;
  ModelDisk disk(disk_size);
  disk.geometry().ops = disk.geometry().ops.without(Op::flush);
  const TestLayer layer(own_module(), host, {{"volatile", "true"}});
  CHECK_THROWS_WITH(layer.open_over(disk), Contains("cannot flush"));
  CHECK(layer.open_over(disk, true) != nullptr);
}

TEST_CASE("fault warns of what nobody has flushed when its layer goes") {
  FakeHost host;
  ModelDisk disk(disk_size);
  {
    const TestLayer layer(own_module(), host, {{"volatile", "true"}});
    CHECK(layer.open_over(disk)->write(0, bytes_of(512, 1)).ok());
  }
  CHECK(host.said("512 bytes that nobody has flushed are gone"));
}

TEST_CASE("fault pauses behind a flush, holds requests, and lets them go with resume") {
  const bool kept = GENERATE(false, true);
  Volatile b(Given{{"volatile", kept ? "true" : "false"}});
  CHECK(b.device->write(0, bytes_of(512, 1)).ok());
  CHECK(b.verb("pause") == "paused");
  CHECK(part(b.disk.durable(), 0, 512) == bytes_of(512, 1));
  CHECK(b.verb("pause") == "paused already");
  CHECK(b.device->write(0, bytes_of(512, 2), Flag::nowait) == Status::would_block());
  std::thread writer([&] { CHECK_NOTHROW(static_cast<void>(b.device->write(0, bytes_of(512, 2)))); });
  const bool waits = holds_in_time([&] { return b.host.wait().waiting() != 0; });
  const Bytes held = part(b.disk.bytes(), 0, 512);
  const std::string resumed = b.verb("resume");
  writer.join();
  CHECK(waits);
  CHECK(held == bytes_of(512, 1));
  CHECK(resumed == "resumed");
  CHECK(read_all(*b.device, 0, 512) == bytes_of(512, 2));
  CHECK(b.verb("resume") == "was not paused");
}

TEST_CASE("fault's pause waits for the requests under way") {
  Volatile b(Given{});
  std::atomic<bool> within{false}, may_end{false};
  b.disk.on_call([&](const Call& call) {
    if (call.op != Op::write) return;
    within = true;
    static_cast<void>(holds_in_time([&] { return may_end.load(); }));
  });
  std::thread writer([&] { static_cast<void>(b.device->write(0, bytes_of(512, 1))); });
  CHECK(holds_in_time([&] { return within.load(); }));
  std::thread operator_([&] { static_cast<void>(b.verb("pause")); });
  CHECK(holds_in_time([&] { return b.host.wait().waiting() != 0; }));
  CHECK(b.disk.count(Op::flush) == 0);
  may_end = true;
  operator_.join();
  writer.join();
  CHECK(b.disk.count(Op::flush) == 1);
  CHECK(part(b.disk.durable(), 0, 512) == bytes_of(512, 1));
}

TEST_CASE("fault is not paused when the flush fails") {
  Volatile b;
  b.disk.fail_call(0, Status::io_error());
  CHECK_THROWS_WITH(b.verb("pause"), Contains("not paused, as the flush has failed"));
  CHECK(b.verb("resume") == "was not paused");
}

TEST_CASE("fault gives up what waits in a pause when it is cancelled") {
  Volatile b(Given{});
  CHECK(b.verb("pause") == "paused");
  b.host.wait().cancel();
  CHECK(b.device->write(0, bytes_of(512, 2)).code() == ECANCELED);
  CHECK(b.disk.count(Op::write) == 0);
}

TEST_CASE("fault cuts the power while it is paused, too") {
  Volatile b;
  CHECK(b.device->write(0, bytes_of(512, 1)).ok());
  CHECK(b.verb("pause") == "paused");
  CHECK(b.verb("power-cut") == "0 bytes that were not flushed are gone");
  CHECK(b.verb("resume") == "resumed");
}

TEST_CASE("fault says that nothing can be dropped where nothing is kept") {
  Volatile b(Given{});
  CHECK_THROWS_WITH(b.verb("power-cut"), Contains("volatile = true"));
}

// Blocks that each hold one number, and what a power cut may leave in each: what was written since the last flush, or
// what was there then.
TEST_CASE("fault keeps to a model through random requests and power cuts") {
  const bool roomy = GENERATE(true, false);
  const char* const steps = std::getenv("ASHLAR_STEPS");
  Volatile b(Given{{"volatile", "true"}, {"volatile_size", roomy ? "1M" : "64K"}});
  constexpr std::uint64_t block = 512, blocks = disk_size / block;
  std::mt19937_64 random(4);
  std::vector<std::byte> now(blocks), durable(blocks);
  std::vector<std::set<std::byte>> may(blocks);
  const auto settle = [&](std::uint64_t i, std::byte value) { now[i] = durable[i] = value, may[i] = {value}; };
  CHECK(b.device->zero(0, disk_size).ok());
  CHECK(b.device->flush().ok());
  for (std::uint64_t i = 0; i != blocks; ++i) settle(i, std::byte{0});
  for (int step = 0, end = steps != nullptr ? std::atoi(steps) : 3000; step != end; ++step) {
    const std::uint64_t first = random() % blocks, n = 1 + random() % std::min<std::uint64_t>(blocks - first, 40);
    const auto value = static_cast<std::byte>(random());
    const bool fua = random() % 8 == 0;
    const auto written = [&](std::byte as) {
      for (std::uint64_t i = first; i != first + n; ++i) {
        now[i] = as;
        if (fua) settle(i, as);
        else may[i].insert(as);
      }
    };
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        REQUIRE(b.device->write(first * block, Bytes(n * block, value), fua ? Flag::fua : Flag::none).ok());
        written(value);
        break;
      case 3:
        REQUIRE(b.device->zero(first * block, n * block, fua ? Flag::fua | Flag::may_trim : Flag::none).ok());
        written(std::byte{0});
        break;
      case 4:
        if (random() % 4 != 0) break;
        REQUIRE(b.device->flush().ok());
        for (std::uint64_t i = 0; i != blocks; ++i) settle(i, now[i]);
        break;
      case 5: {
        if (random() % 4 != 0) break;
        b.verb("power-cut");
        const Bytes left = read_all(*b.device, 0, disk_size);
        bool right = true;
        for (std::uint64_t i = 0; i != blocks; ++i) {
          right = right && (roomy ? left[i * block] == durable[i] : may[i].count(left[i * block]) != 0);
          now[i] = left[i * block];
          if (roomy) settle(i, now[i]);
        }
        REQUIRE(right);
        break;
      }
      default: {
        Bytes wanted;
        for (std::uint64_t i = first; i != first + n; ++i) wanted.insert(wanted.end(), block, now[i]);
        REQUIRE(read_all(*b.device, first * block, n * block) == wanted);
      }
    }
  }
  CHECK(b.disk.breaches().empty());
}
