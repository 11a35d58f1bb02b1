#include <random>

#include "bench.hpp"
#include "blocks.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

// A full disk of 16 blocks of 512 bytes and a short one, that takes only whole blocks.
struct Bench {
  FakeHost host;
  ModelDisk disk{16 * 512 + 200};
  TestLayer layer{own_module(), host, {{"block_size", "512"}}};
  Bench() {
    disk.fill();
    disk.geometry().minimum = 512;
    disk.geometry().flags |= Flag::shortcuts;
  }
  std::unique_ptr<TestDevice> open() { return layer.open_over(disk); }
};

std::string refusal(ModelDisk& disk, const Given& given) {
  FakeHost host;
  try {
    const TestLayer layer(own_module(), host, given);
    layer.open_over(disk);
  } catch (const Refused& r) {
    return r.what();
  }
  return "";
}

}  // namespace

TEST_CASE("align splits a range into head, whole blocks and tail") {
  const Blocks b{512, 2000};
  const auto is = [](const Blocks::Parts& p, Range head, Range middle, Range tail) {
    return p.head == head && p.middle == middle && p.tail == tail;
  };
  CHECK(is(b.split({0, 1024}), {0, 0}, {0, 1024}, {1024, 1024}));
  CHECK(is(b.split({1, 2}), {1, 2}, {2, 2}, {2, 2}));
  CHECK(is(b.split({0, 2}), {0, 0}, {0, 0}, {0, 2}));
  CHECK(is(b.split({511, 513}), {511, 512}, {512, 512}, {512, 513}));
  CHECK(is(b.split({100, 1500}), {100, 512}, {512, 1024}, {1024, 1500}));
  CHECK(is(b.split({1536, 2000}), {1536, 1536}, {1536, 2000}, {2000, 2000}));
  CHECK(is(b.split({1537, 2000}), {1537, 2000}, {2000, 2000}, {2000, 2000}));
  CHECK(is(b.split({1000, 2000}), {1000, 1024}, {1024, 2000}, {2000, 2000}));
  CHECK(b.outer({1, 1999}) == Range{0, 2000});
  const Blocks huge{65536, INT64_MAX};
  CHECK(huge.outer({INT64_MAX - 1, INT64_MAX}) == Range{INT64_MAX - 65535, INT64_MAX});
}

TEST_CASE("align keeps every byte right, whatever is asked") {
  Bench b;
  const auto device = b.open();
  Bytes model = b.disk.bytes();
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t offset = random() % model.size();
    const std::size_t n = 1 + random() % std::min<std::size_t>(model.size() - offset, 1 + random() % 2000);
    const Flags fua = random() % 4 == 0 ? Flag::fua : Flag::none;
    const unsigned what_to_do = random() % 4;
    switch (what_to_do) {
      case 0: REQUIRE(read_all(*device, offset, n) == part(model, offset, n)); break;
      case 1: {
        const Bytes what = bytes_of(n, random() % 256);
        put(model, offset, what);
        REQUIRE(device->write(offset, what, fua).ok());
        break;
      }
      case 2:
        put(model, offset, Bytes(n));
        REQUIRE(device->zero(offset, n, fua | (random() % 2 == 0 ? Flag::may_trim : Flag::none)).ok());
        break;
      case 3: REQUIRE(device->cache(offset, n).ok()); break;
    }
    REQUIRE(b.disk.bytes() == model);
    if (fua.any() && (what_to_do == 1 || what_to_do == 2))
      REQUIRE(part(b.disk.durable(), offset, n) == part(model, offset, n));
  }
  CHECK(b.disk.breaches().empty());
}

TEST_CASE("align passes whole blocks on as they are, flags and all") {
  Bench b;
  b.disk.lend_from(9);
  const auto device = b.open();
  CHECK(device->write(512, bytes_of(1024, 1), Flag::fua | Flag::nowait).ok());
  CHECK(device->zero(0, 16 * 512 + 200, Flag::fast | Flag::may_trim).ok());
  CHECK(device->trim(8192, 200, Flag::fua).ok());
  CHECK(b.disk.calls() == Calls{{Op::write, 512, 1024, Flag::fua | Flag::nowait},
                                {Op::zero, 0, 16 * 512 + 200, Flag::fast | Flag::may_trim},
                                {Op::trim, 8192, 200, Flag::fua}});
  Bytes into(512);
  Io io = Io::read(1024, into, Flag::may_lend);
  CHECK(device->process(io).ok());
  CHECK(io.lent_fd == 9);
}

TEST_CASE("align lends nothing and reports no hole for a read that it had to widen") {
  Bench b;
  b.disk.lend_from(9);
  b.disk.set_state(0, 8192, Extent::sparse);
  const auto device = b.open();
  ExtentList list;
  Bytes into(1000);
  Io io = Io::read(100, into, Flag::may_lend | Flag::may_hole);
  io.set_sink(&list);
  CHECK(device->process(io).ok());
  CHECK(io.lent_fd == -1);
  CHECK(list.extents().empty());
  CHECK(into == part(b.disk.bytes(), 100, 1000));
}

TEST_CASE("align passes a read without memory on, but for one that it would have to widen") {
  Bench b;
  b.disk.lend_from(9);
  const auto device = b.open();
  Io whole = Io::lend_only(1024, 512);
  CHECK(device->process(whole).ok());
  CHECK(whole.lent_fd == 9);
  b.disk.forget_calls();
  Io part = Io::lend_only(100, 1000);
  CHECK(device->process(part) == Status::would_block());
  CHECK(b.disk.calls().empty());
}

TEST_CASE("align reads and writes the edges of a write, and hands on the middle from the payload") {
  Bench b;
  const auto device = b.open();
  CHECK(device->write(100, bytes_of(1500, 1)).ok());
  CHECK(b.disk.calls() == Calls{{Op::read, 0, 512, {}},
                                {Op::write, 0, 512, {}},
                                {Op::write, 512, 1024, {}},
                                {Op::read, 1536, 512, {}},
                                {Op::write, 1536, 512, {}}});
}

TEST_CASE("align: FUA on what became one write is carried by it") {
  Bench b;
  CHECK(b.open()->write(100, bytes_of(10, 1), Flag::fua).ok());
  CHECK(b.disk.calls() == Calls{{Op::read, 0, 512, {}}, {Op::write, 0, 512, Flag::fua}});
  b.disk.forget_calls();
  CHECK(b.open()->write(512, bytes_of(10, 1), Flag::fua).ok());
  CHECK(b.disk.calls() == Calls{{Op::read, 512, 512, {}}, {Op::write, 512, 512, Flag::fua}});
  CHECK(b.disk.durable() == b.disk.bytes());
}

TEST_CASE("align: FUA over several writes is one flush behind them") {
  Bench b;
  CHECK(b.open()->write(100, bytes_of(1500, 1), Flag::fua).ok());
  CHECK(b.disk.count(Op::flush) == 1);
  CHECK(b.disk.calls().back().op == Op::flush);
  CHECK(b.disk.durable() == b.disk.bytes());
}

TEST_CASE("align: without flush below every write carries FUA") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::flush);
  CHECK(b.open()->write(100, bytes_of(1500, 1), Flag::fua).ok());
  CHECK(b.open()->zero(3000, 2000, Flag::fua | Flag::may_trim).ok());
  CHECK(b.disk.durable() == b.disk.bytes());
  CHECK(b.disk.breaches().empty());
}

TEST_CASE("align shrinks a trim to whole blocks, and is content when none is left") {
  Bench b;
  const Bytes before = b.disk.bytes();
  const auto device = b.open();
  CHECK(device->trim(1, 1022, Flag::fua).ok());
  CHECK(b.disk.calls().empty());
  CHECK(device->trim(100, 1500).ok());
  CHECK(device->trim(8000, 392).ok());
  CHECK(b.disk.calls() == Calls{{Op::trim, 512, 1024, {}}, {Op::trim, 8192, 200, {}}});
  CHECK(part(b.disk.bytes(), 0, 512) == part(before, 0, 512));
  CHECK(part(b.disk.bytes(), 1536, 6656) == part(before, 1536, 6656));
}

TEST_CASE("align refuses an unaligned FAST zero before anything is touched") {
  Bench b;
  const Bytes before = b.disk.bytes();
  CHECK(b.open()->zero(0, 1000, Flag::fast) == Status::not_supported());
  CHECK(b.open()->zero(1, 512, Flag::fast | Flag::nowait) == Status::not_supported());
  CHECK(b.disk.calls().empty());
  CHECK(b.disk.bytes() == before);
}

TEST_CASE("align: a zero that is refused below as not supported has changed nothing") {
  Bench b;
  b.disk.fail(Op::zero, Status::not_supported());
  const Bytes before = b.disk.bytes();
  CHECK(b.open()->zero(100, 3000) == Status::not_supported());
  CHECK(b.disk.bytes() == before);
}

TEST_CASE("align keeps the flags of the middle of a zero") {
  Bench b;
  CHECK(b.open()->zero(100, 1500, Flag::may_trim).ok());
  CHECK(b.disk.calls().front() == Call{Op::zero, 512, 1024, Flag::may_trim});
}

TEST_CASE("align grows cache to whole blocks") {
  Bench b;
  CHECK(b.open()->cache(8190, 100).ok());
  CHECK(b.disk.calls() == Calls{{Op::cache, 7680, 712, {}}});
}

TEST_CASE("align answers an unaligned change without waiting with would block, untouched") {
  Bench b;
  const auto device = b.open();
  CHECK(device->write(1, bytes_of(10, 1), Flag::nowait) == Status::would_block());
  CHECK(device->zero(1, 10, Flag::nowait) == Status::would_block());
  CHECK(b.disk.calls().empty());
}

TEST_CASE("align hands nowait on to each part of an unaligned read") {
  Bench b;
  const auto device = b.open();
  CHECK(read_all(*device, 100, 1500, Flag::nowait) == part(b.disk.bytes(), 100, 1500));
  CHECK(b.disk.calls() == Calls{{Op::read, 0, 512, Flag::nowait},
                                {Op::read, 512, 1024, Flag::nowait},
                                {Op::read, 1536, 512, Flag::nowait}});
  b.disk.block_always();
  Bytes into(10);
  CHECK(device->read(1, into, Flag::nowait) == Status::would_block());
}

TEST_CASE("align: any call below that fails is the answer") {
  for (std::size_t n = 0; n < 5; ++n) {
    Bench b;
    b.disk.fail_call(n, Status::io_error());
    CHECK(b.open()->write(100, bytes_of(1500, 1)) == Status::io_error());
    CHECK(b.disk.calls().size() == n + 1);
  }
  for (std::size_t n = 0; n < 3; ++n) {
    Bench b;
    b.disk.fail_call(n, Status::io_error());
    Bytes into(1500);
    CHECK(b.open()->read(100, into) == Status::io_error());
  }
  for (std::size_t n = 0; n < 6; ++n) {
    Bench b;
    b.disk.fail_call(n, Status::no_space());
    CHECK(b.open()->zero(100, 1500, Flag::fua) == Status::no_space());
  }
}

TEST_CASE("align, policy error, refuses what is unaligned and passes the rest") {
  FakeHost host;
  ModelDisk disk(8192 + 200);
  disk.fill();
  disk.geometry().flags |= Flag::shortcuts;
  const TestLayer layer(own_module(), host, {{"block_size", "512"}, {"policy", "error"}});
  const auto device = layer.open_over(disk);
  CHECK(device->geometry().minimum == 512);
  CHECK_FALSE(device->geometry().flags.has(Flag::may_hole));  // the holes below may be finer than 512 bytes
  const Bytes before = disk.bytes();
  Bytes into(512);
  ExtentList list;
  CHECK(device->read(1, into) == Status::invalid());
  CHECK(device->write(0, bytes_of(100, 1)) == Status::invalid());
  CHECK(device->zero(0, 100) == Status::invalid());
  CHECK(device->trim(1, 1024) == Status::invalid());
  CHECK(device->cache(1, 1024) == Status::invalid());
  CHECK(device->extents(1, 1024, list) == Status::invalid());
  CHECK(disk.calls().empty());
  CHECK(disk.bytes() == before);
  CHECK(device->write(8192, bytes_of(200, 1)).ok());
  CHECK(device->flush().ok());
}

TEST_CASE("align advertises its sizes") {
  FakeHost host;
  ModelDisk disk(65536);
  disk.geometry().preferred = 1024;
  disk.geometry().maximum = 32768;
  const TestLayer layer(own_module(), host);
  const Geometry g = layer.open_over(disk)->geometry();
  CHECK(g.minimum == 1);
  CHECK(g.preferred == 4096);
  CHECK(g.maximum == 32768);
  disk.geometry().preferred = 16384;
  CHECK(layer.open_over(disk)->geometry().preferred == 16384);
}

TEST_CASE("align offers no write or zero whose edges it could not read or write") {
  Bench b;
  b.disk.geometry().ops = Ops::known().without(Op::write);
  CHECK(b.open()->geometry().ops == Ops::known().without(Op::write).without(Op::zero));
  b.disk.geometry().ops = Ops::known().without(Op::read);
  CHECK(b.open()->geometry().ops == Ops::known().without(Op::read).without(Op::write).without(Op::zero));
}

TEST_CASE("align refuses blocks that cannot stand on the layer below") {
  ModelDisk disk(65536);
  CHECK(refusal(disk, {{"block_size", "1000"}}) == "block_size = 1000 is not a power of two");
  disk.geometry().minimum = 4096;
  CHECK(refusal(disk, {{"block_size", "512"}}) ==
        "block_size = 512 is less than the 4096 byte blocks of the layer below");
  disk.geometry().maximum = 8192;
  CHECK(refusal(disk, {{"block_size", "16K"}}) ==
        "block_size = 16384 is more than the 8192 bytes that the layer below takes in one request");
  CHECK(refusal(disk, {{"block_size", "8K"}}) == "");
  FakeHost host;
  CHECK_THROWS_AS(TestLayer(own_module(), host, {{"block_size", "256"}}), std::invalid_argument);
  CHECK_THROWS_AS(TestLayer(own_module(), host, {{"block_size", "128K"}}), std::invalid_argument);
}
