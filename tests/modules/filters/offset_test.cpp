#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {
// The text with which the window is refused.
std::string refusal(ModelDisk& disk, const Given& given) {
  FakeHost host;
  const TestLayer layer(own_module(), host, given);
  try {
    layer.open_over(disk);
  } catch (const Refused& r) {
    return r.what();
  }
  return "";
}
}  // namespace

TEST_CASE("offset moves every request into its window") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.fill();
  const TestLayer layer(own_module(), host, {{"offset", "1000"}, {"size", "5000"}});
  const auto device = layer.open_over(disk);
  CHECK(device->geometry().size == 5000);
  CHECK(read_all(*device, 0, 5000) == part(disk.bytes(), 1000, 5000));
  Bytes expected = disk.bytes();
  put(expected, 1000 + 4990, bytes_of(10, 0xaa));
  CHECK(device->write(4990, bytes_of(10, 0xaa), Flag::fua).ok());
  CHECK(disk.bytes() == expected);
  disk.forget_calls();
  CHECK(device->trim(1, 2).ok());
  CHECK(device->zero(3, 4, Flag::may_trim).ok());
  CHECK(device->cache(5, 6).ok());
  CHECK(device->flush().ok());
  CHECK(disk.calls() == Calls{{Op::trim, 1001, 2, {}},
                              {Op::zero, 1003, 4, Flag::may_trim},
                              {Op::cache, 1005, 6, {}},
                              {Op::flush, 0, 0, {}}});
  CHECK(disk.breaches().empty());
}

TEST_CASE("offset gives the request back as it came") {
  FakeHost host;
  ModelDisk disk(4096);
  const TestLayer layer(own_module(), host, {{"offset", "1024"}});
  const auto device = layer.open_over(disk);
  ExtentList list;
  Io io(Op::extents, 100, 200, Flag::req_one);
  io.set_sink(&list);
  CHECK(device->process(io).ok());
  CHECK(io.offset() == 100);
  CHECK(io.sink() == &list);
  CHECK(io.flags() == Flag::req_one);
}

TEST_CASE("offset without a size goes to the end of the layer below") {
  FakeHost host;
  ModelDisk disk(10000);
  const TestLayer layer(own_module(), host, {{"offset", "1000"}});
  CHECK(layer.open_over(disk)->geometry().size == 9000);
}

TEST_CASE("offset clips extents to its window") {
  FakeHost host;
  ModelDisk disk(8192);
  disk.set_state(0, 2048, Extent::allocated);
  const TestLayer layer(own_module(), host, {{"offset", "1024"}, {"size", "2048"}});
  const auto device = layer.open_over(disk);
  ExtentList list;
  CHECK(device->extents(512, 1024, list).ok());
  CHECK(list.extents() == std::vector<ListedExtent>{{512, Extent::allocated}, {1024, Extent::sparse}});
  CHECK_FALSE(list.had_empty());
}

TEST_CASE("offset clips the holes of a read to its window") {
  FakeHost host;
  ModelDisk disk(8192);
  disk.geometry().flags |= Flag::may_hole;
  const TestLayer layer(own_module(), host, {{"offset", "1024"}, {"size", "1024"}});
  const auto device = layer.open_over(disk);
  ExtentList list;
  Bytes into(1024);
  Io io = Io::read(0, into, Flag::may_hole);
  io.set_sink(&list);
  CHECK(device->process(io).ok());
  CHECK(list.extents() == std::vector<ListedExtent>{{1024, Extent::sparse}});
}

TEST_CASE("offset passes lent bytes on as they are") {
  FakeHost host;
  ModelDisk disk(8192);
  disk.geometry().flags |= Flag::may_lend;
  disk.lend_from(7);
  const TestLayer layer(own_module(), host, {{"offset", "1024"}});
  const auto device = layer.open_over(disk);
  REQUIRE(device->geometry().flags.has(Flag::may_lend));
  Bytes into(512);
  Io io = Io::read(512, into, Flag::may_lend);
  CHECK(device->process(io).ok());
  CHECK(io.lent_fd == 7);
  CHECK(io.lent_offset == 1536);
}

TEST_CASE("offset refuses a window that does not fit, with the numbers") {
  ModelDisk disk(10000);
  CHECK(refusal(disk, {{"offset", "10001"}}) == "offset = 10001 is past the end: the layer below has 10000 bytes");
  CHECK(refusal(disk, {{"offset", "9000"}, {"size", "1001"}}) ==
        "offset = 9000 and size = 1001 reach past the end: the layer below has 10000 bytes");
  CHECK(refusal(disk, {{"offset", "1"}, {"size", "9223372036854775807"}}) != "");
  CHECK(refusal(disk, {{"offset", "10000"}}) == "");
  CHECK(refusal(disk, {{"offset", "9000"}, {"size", "1000"}}) == "");
}

TEST_CASE("offset refuses a window that is not on the blocks of the layer below") {
  ModelDisk disk(10000);
  disk.geometry().minimum = 512;
  CHECK(refusal(disk, {{"offset", "100"}}).find("offset = 100 is not a multiple of the 512 byte blocks") == 0);
  CHECK(refusal(disk, {{"offset", "512"}, {"size", "513"}}).find("size = 513 is not a multiple") == 0);
  CHECK(refusal(disk, {{"offset", "512"}}) == "");  // ends where the layer below ends
}
