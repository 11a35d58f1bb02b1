#include "../random_model.hpp"
#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

std::uint64_t size_of(ModelDisk& disk, const Given& given) {
  FakeHost host;
  const TestLayer layer(own_module(), host, given);
  return layer.open_over(disk)->geometry().size;
}
// The text with which a layer over `disk` is refused.
std::string refusal(ModelDisk& disk, const Given& given) {
  try {
    size_of(disk, given);
  } catch (const Refused& r) {
    return r.what();
  }
  return "";
}

}  // namespace

TEST_CASE("truncate: the size") {
  ModelDisk disk(10000);
  CHECK(size_of(disk, {{"size", "0"}}) == 0);
  CHECK(size_of(disk, {{"size", "20000"}}) == 20000);
  CHECK(size_of(disk, {{"round_up", "4096"}}) == 12288);
  CHECK(size_of(disk, {{"round_down", "4096"}}) == 8192);
  CHECK(size_of(disk, {{"round_up", "10000"}}) == 10000);
  CHECK(size_of(disk, {{"size", "4097"}, {"round_up", "4096"}}) == 8192);
  CHECK(size_of(disk, {{"size", "4095"}, {"round_down", "4096"}}) == 0);
}

TEST_CASE("truncate: refuses what is no size, or within a block") {
  ModelDisk disk(10000);
  CHECK(refusal(disk, {}).find("it needs size, round_up or round_down") == 0);
  CHECK(refusal(disk, {{"round_up", "2"}, {"round_down", "2"}}) == "round_up and round_down exclude each other");
  CHECK(refusal(disk, {{"size", "9223372036854775807"}, {"round_up", "4096"}}).find("round_up = 4096 makes") == 0);
  disk.geometry().minimum = 512;
  CHECK(refusal(disk, {{"size", "1000"}}).find("the size would be 1000, which is not a multiple of the 512") == 0);
  CHECK(refusal(disk, {{"size", "1024"}}) == "");
  CHECK(refusal(disk, {{"size", "10001"}}) == "");  // cuts nothing
}

TEST_CASE("truncate: what is behind the layer below is zeroes, and a hole") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.fill();
  const TestLayer layer(own_module(), host, {{"size", "30000"}});
  const auto device = layer.open_over(disk);
  Bytes expected = disk.bytes();
  expected.resize(30000);
  CHECK(read_all(*device, 0, 30000) == expected);
  CHECK(read_all(*device, 9999, 2, Flag::none) == part(expected, 9999, 2));
  ExtentList list;
  CHECK(device->extents(5000, 20000, list).ok());
  CHECK(list.extents() == std::vector<ListedExtent>{{5000, Extent::allocated}, {15000, Extent::sparse}});
  ExtentList one;
  CHECK(device->extents(5000, 20000, one, Flag::req_one).ok());
  CHECK(one.extents() == std::vector<ListedExtent>{{5000, Extent::allocated}});
  CHECK(disk.breaches().empty());
}

TEST_CASE("truncate: only zeroes may be written behind the layer below") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.fill();
  const Bytes before = disk.bytes();
  const TestLayer layer(own_module(), host, {{"size", "30000"}});
  const auto device = layer.open_over(disk);
  Bytes bytes(100);
  bytes[99] = std::byte{1};
  CHECK(device->write(9950, bytes) == Status::no_space());
  CHECK(device->write(20000, bytes) == Status::no_space());
  CHECK(disk.bytes() == before);
  bytes[99] = std::byte{0};
  CHECK(device->write(20000, bytes).ok());
  bytes[49] = std::byte{1};  // the last byte of the layer below
  disk.forget_calls();
  CHECK(device->write(9950, bytes, Flag::fua).ok());
  CHECK(device->zero(9000, 5000, Flag::may_trim).ok());
  CHECK(device->trim(9000, 5000).ok());
  CHECK(device->trim(11000, 5000).ok());
  CHECK(device->cache(9000, 5000).ok());
  CHECK(disk.calls() == Calls{{Op::write, 9950, 50, Flag::fua},
                              {Op::zero, 9000, 1000, Flag::may_trim},
                              {Op::trim, 9000, 1000, {}},
                              {Op::cache, 9000, 1000, {}}});
}

TEST_CASE("truncate: what is behind the new end is left alone") {
  FakeHost host;
  ModelDisk disk(10000);
  const TestLayer layer(own_module(), host, {{"size", "5000"}});
  const auto device = layer.open_over(disk);
  ExtentList list;
  CHECK(device->extents(1000, 1000, list).ok());  // the disk tells of all its 10000
  CHECK(list.extents() == std::vector<ListedExtent>{{4000, Extent::sparse}});
  CHECK(device->write(0, bytes_of(5000, 7)).ok());
  CHECK(part(disk.bytes(), 5000, 5000) == Bytes(5000));
}

TEST_CASE("truncate: shortcuts within the layer below, and behind it") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.fill();
  disk.geometry().flags |= Flag::shortcuts;
  disk.lend_from(7);
  const TestLayer layer(own_module(), host, {{"size", "30000"}});
  const auto device = layer.open_over(disk);
  const auto hole_read = [&](std::uint64_t offset, ExtentList& list) {
    Io io = Io::lend_only(offset, 100, Flag::may_hole);
    io.set_sink(&list);
    const Status s = device->process(io);
    return s.ok() && io.lent() ? Status{-1} : s;
  };
  ExtentList lent, hole, across;
  CHECK(hole_read(0, lent) == Status{-1});
  CHECK(hole_read(20000, hole).ok());
  CHECK(hole.extents() == std::vector<ListedExtent>{{100, Extent::sparse}});
  CHECK(hole_read(9950, across) == Status::would_block());
  CHECK(across.extents().empty());
}

TEST_CASE("truncate: gives requests back as they came, also when they fail") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.fail(Op::zero, Status{EIO});
  const TestLayer layer(own_module(), host, {{"size", "30000"}});
  const auto device = layer.open_over(disk);
  Io io(Op::zero, 9000, 5000, Flag::fua);
  CHECK(device->process(io) == Status{EIO});
  CHECK(io.offset() == 9000);
  CHECK(io.length() == 5000);
  CHECK(io.flags() == Flag::fua);
}

TEST_CASE("truncate: random requests") {
  for (const std::uint64_t size : {7000, 10000, 30001}) {
    FakeHost host;
    ModelDisk disk(10000);
    disk.fill();
    const TestLayer layer(own_module(), host, {{"size", std::to_string(size)}});
    const auto device = layer.open_over(disk);
    Bytes contents = disk.bytes();
    contents.resize(size);
    RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), contents, size);
    model.set_longest(8192);
    model.on_payload([](std::uint64_t offset, std::span<std::byte> bytes) {
      for (std::uint64_t i = 0; i != bytes.size(); ++i)
        if (offset + i >= 10000) bytes[i] = std::byte{0};
    });
    CHECK_NOTHROW(model.run(RandomModel::operations() / 3));
    CHECK(disk.breaches().empty());
  }
}
