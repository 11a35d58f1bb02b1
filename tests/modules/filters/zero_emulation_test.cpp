#include <ashlar/filter.hpp>

#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

// A full disk of 16 KiB and three quarters of a KiB, and the filter over it with chunks of 4 KiB.
struct Bench {
  FakeHost host;
  ModelDisk disk{16384 + 768};
  TestLayer layer{own_module(), host, {{"chunk", "4K"}}};
  Bench() { disk.fill(); }
  std::unique_ptr<TestDevice> open() { return layer.open_over(disk); }

  // Zeroes and compares the whole disk with what it must be.
  void check_zero(const TestDevice& device, std::uint64_t offset, std::size_t n, Flags flags = {}) {
    Bytes expected = disk.bytes();
    put(expected, offset, Bytes(n));
    CHECK(device.zero(offset, n, flags).ok());
    CHECK(disk.bytes() == expected);
    CHECK(disk.breaches().empty());
  }
};

}  // namespace

namespace {
// Refuses to zero, and leaves the request other than it came.
class Spoils final : public Filter {
 public:
  using Filter::Filter;
  Status zero(Io& io) noexcept override {
    io.set_range(io.offset() + 4096, 4096);
    return Status::not_supported();
  }
};
}  // namespace

TEST_CASE("zero-emulation zeroes what was asked for, whatever a layer below makes of the request") {
  static constexpr ashlar_module spoils = module_of<Spoils>({.name = "spoils"});
  const FakeHost host;
  ModelDisk disk(16384);
  disk.fill();
  const TestLayer bottom(spoils, host), layer(own_module(), host);
  const auto below = bottom.open_over(disk);
  const auto device = layer.open_over(*below);
  const Bytes before = read_all(*device, 4096, 4096);
  CHECK(device->zero(0, 4096).ok());
  CHECK(read_all(*device, 0, 4096) == bytes_of(4096, 0));
  CHECK(read_all(*device, 4096, 4096) == before);
}

TEST_CASE("zero-emulation leaves a zero that works to the layer below, with its flags") {
  Bench b;
  b.disk.geometry().flags |= Flag::nowait;
  const auto device = b.open();
  const Flags all = Flag::fua | Flag::may_trim | Flag::fast | Flag::nowait;
  b.check_zero(*device, 100, 9000, all);
  CHECK(b.disk.calls() == Calls{{Op::zero, 100, 9000, all}});
}

TEST_CASE("zero-emulation writes exactly the range when the layer below answers not supported") {
  Bench b;
  b.disk.fail(Op::zero, Status::not_supported());
  const auto device = b.open();
  CHECK(device->geometry().zero_may_fail == false);
  SECTION("within a chunk") { b.check_zero(*device, 1, 1); }
  SECTION("over chunks") { b.check_zero(*device, 100, 9000); }
  SECTION("all") { b.check_zero(*device, 0, 16384 + 768); }
  SECTION("the tail") { b.check_zero(*device, 16384, 768); }
  for (const Call& c : b.disk.calls()) {
    CHECK((c.op == Op::zero || c.length <= 4096));
  }
}

TEST_CASE("zero-emulation clears the trait that zero may fail") {
  Bench b;
  b.disk.geometry().zero_may_fail = true;
  CHECK_FALSE(b.open()->geometry().zero_may_fail);
}

TEST_CASE("zero-emulation builds zero where the layer below has none, without asking it") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::zero);
  const auto device = b.open();
  CHECK(device->geometry().ops.has(Op::zero));
  b.check_zero(*device, 4096, 8192);
  CHECK(b.disk.calls() == Calls{{Op::write, 4096, 4096, {}}, {Op::write, 8192, 4096, {}}});
}

TEST_CASE("zero-emulation keeps to the blocks and the largest request of the layer below") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::zero);
  b.disk.geometry().minimum = 512;
  b.disk.geometry().maximum = 1500;
  b.check_zero(*b.open(), 512, 16384 + 256);
  for (const Call& c : b.disk.calls()) CHECK(c.length <= 1024);
}

TEST_CASE("zero-emulation writes blocks that are larger than its chunk") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::zero);
  b.disk.geometry().minimum = 8192;
  b.disk.geometry().preferred = 8192;
  b.check_zero(*b.open(), 8192, 8192 + 768);
}

TEST_CASE("zero-emulation: an error other than not supported is the answer") {
  Bench b;
  b.disk.fail(Op::zero, Status::no_space());
  const auto device = b.open();
  CHECK(device->zero(0, 4096) == Status::no_space());
  CHECK(b.disk.count(Op::write) == 0);
}

TEST_CASE("zero-emulation stops at the first write that fails") {
  Bench b;
  b.disk.fail(Op::zero, Status::not_supported());
  b.disk.fail_call(2, Status::io_error());  // the zero, a write, this write
  CHECK(b.open()->zero(0, 16384, Flag::fua) == Status::io_error());
  CHECK(b.disk.count(Op::write) == 2);
  CHECK(b.disk.count(Op::flush) == 0);
}

TEST_CASE("zero-emulation: FUA on one write is carried by it") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::zero);
  b.check_zero(*b.open(), 100, 200, Flag::fua);
  CHECK(b.disk.calls() == Calls{{Op::write, 100, 200, Flag::fua}});
  CHECK(b.disk.durable() == b.disk.bytes());
}

TEST_CASE("zero-emulation: FUA over several writes is one flush behind the last") {
  Bench b;
  b.disk.fail(Op::zero, Status::not_supported());
  b.check_zero(*b.open(), 100, 9000, Flag::fua);
  CHECK(b.disk.count(Op::flush) == 1);
  CHECK(b.disk.calls().back() == Call{Op::flush, 0, 0, {}});
  CHECK(b.disk.durable() == b.disk.bytes());
}

TEST_CASE("zero-emulation: a flush that fails fails the zero") {
  Bench b;
  b.disk.fail(Op::zero, Status::not_supported());
  b.disk.fail(Op::flush, Status::io_error());
  CHECK(b.open()->zero(0, 16384, Flag::fua) == Status::io_error());
}

TEST_CASE("zero-emulation: without flush below every write carries FUA") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::zero).without(Op::flush);
  b.check_zero(*b.open(), 100, 9000, Flag::fua);
  CHECK(b.disk.count(Op::write) == 3);
  CHECK(b.disk.durable() == b.disk.bytes());
}

TEST_CASE("zero-emulation without FUA makes nothing durable") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::zero);
  const Bytes before = b.disk.durable();
  b.check_zero(*b.open(), 100, 9000);
  CHECK(b.disk.durable() == before);
}

TEST_CASE("zero-emulation never writes for FAST, and refuses with the data untouched") {
  Bench b;
  const Bytes before = b.disk.bytes();
  SECTION("refused below") { b.disk.fail(Op::zero, Status::not_supported()); }
  SECTION("no zero below") { b.disk.geometry().ops = Ops::known().without(Op::zero); }
  SECTION("a zero below that knows nothing of FAST is not asked") {
    b.disk.geometry().flags = b.disk.geometry().flags.without(Flag::fast);
  }
  const auto device = b.open();
  CHECK(device->geometry().flags.has(Flag::fast));
  CHECK(device->zero(0, 4096, Flag::fast) == Status::not_supported());
  CHECK(b.disk.count(Op::write) == 0);
  CHECK(b.disk.bytes() == before);
}

TEST_CASE("zero-emulation never writes in a try without waiting") {
  Bench b;
  b.disk.geometry().flags |= Flag::nowait;
  const Bytes before = b.disk.bytes();
  SECTION("not supported below") { b.disk.fail(Op::zero, Status::not_supported()); }
  SECTION("no zero below") { b.disk.geometry().ops = Ops::known().without(Op::zero); }
  SECTION("would block below") { b.disk.block_always(); }
  CHECK(b.open()->zero(0, 4096, Flag::nowait) == Status::would_block());
  CHECK(b.disk.count(Op::write) == 0);
  CHECK(b.disk.bytes() == before);
}

TEST_CASE("zero-emulation builds nothing over a layer that cannot write") {
  Bench b;
  b.disk.geometry().ops = Op::read | Op::flush;
  const auto device = b.open();
  CHECK(device->geometry().ops == (Op::read | Op::flush));
  CHECK(device->zero(0, 512) == Status::not_supported());
  CHECK(b.disk.calls().empty());
}
