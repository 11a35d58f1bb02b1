#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

TEST_CASE("readonly offers what changes nothing, and lets lend and holes through") {
  FakeHost host;
  ModelDisk disk(4096);
  disk.geometry().flags |= Flag::shortcuts;
  disk.geometry().minimum = 512;
  const TestLayer layer(own_module(), host);
  const auto device = layer.open_over(disk);
  const Geometry g = device->geometry();
  CHECK(g.read_only);
  CHECK(g.ops == Ops::known().without(Op::write).without(Op::trim).without(Op::zero));
  CHECK(g.flags == (Flag::req_one | Flag::shortcuts));
  CHECK(g.size == 4096);
  CHECK(g.minimum == 512);
}

TEST_CASE("readonly refuses a change with EPERM and the layer below never sees it") {
  FakeHost host;
  ModelDisk disk(4096);
  disk.fill();
  const TestLayer layer(own_module(), host);
  const auto device = layer.open_over(disk);
  CHECK(device->write(0, bytes_of(512, 7)).code() == EPERM);
  CHECK(device->zero(0, 512).code() == EPERM);
  CHECK(device->trim(0, 512).code() == EPERM);
  CHECK(disk.calls().empty());
  CHECK(read_all(*device, 0, 4096) == disk.bytes());
  CHECK(device->flush().ok());
  CHECK(disk.count(Op::flush) == 1);
}
