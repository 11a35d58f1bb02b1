// The pattern plugin's guarantees (plugins/pattern/README.md).
#include "../filters/bench.hpp"
#include "../random_model.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

std::byte expected(std::uint64_t at) { return static_cast<std::byte>((at & ~7ull) >> (8 * (7 - at % 8)) & 0xff); }

Bytes expected(std::uint64_t offset, std::uint64_t length) {
  Bytes bytes(length);
  for (std::uint64_t i = 0; i != length; ++i) bytes[i] = expected(offset + i);
  return bytes;
}

}  // namespace

TEST_CASE("pattern: each 8 bytes hold their offset, big-endian") {
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"size", "1000003"}});
  const auto device = layer.open();
  REQUIRE(device->geometry().size == 1000003);
  const unsigned char shown[] = {0, 0, 0, 0, 0, 0x01, 0x02, 0x08};
  const Bytes found = read_all(*device, 0x10208, 8);
  CHECK(std::memcmp(found.data(), shown, 8) == 0);
  CHECK(read_all(*device, 1000001, 2) == expected(1000001, 2));
}

TEST_CASE("pattern: offsets of more than 32 bits") {
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"size", "9223372036854775807"}});
  const auto device = layer.open();
  const std::uint64_t at = 0x7ffffffffffffff0ull - 3;
  CHECK(read_all(*device, at, 18) == expected(at, 18));
}

TEST_CASE("pattern: a write that differs anywhere is refused") {
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"size", "65536"}});
  const auto device = layer.open();
  const std::uint64_t offset = 4093, length = 100;
  CHECK(device->write(offset, expected(offset, length), Flag::fua).ok());
  for (std::uint64_t i = 0; i != length; ++i) {
    Bytes other = expected(offset, length);
    other[i] ^= std::byte{0x10};
    CHECK(device->write(offset, other) == Status::io_error());
  }
  CHECK(read_all(*device, offset, length) == expected(offset, length));
  CHECK_FALSE(device->geometry().ops.has(Op::zero));
  CHECK_FALSE(device->geometry().ops.has(Op::trim));
}

TEST_CASE("pattern: no request blocks") {
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"size", "65536"}});
  const auto device = layer.open();
  CHECK(read_all(*device, 3, 5000, Flag::nowait) == expected(3, 5000));
  CHECK(device->write(3, expected(3, 5000), Flag::nowait).ok());
}

TEST_CASE("pattern: random requests") {
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"size", "300007"}});
  const auto device = layer.open();
  RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), expected(0, 300007));
  model.on_payload([](std::uint64_t offset, std::span<std::byte> bytes) {
    for (std::size_t i = 0; i != bytes.size(); ++i) bytes[i] = expected(offset + i);
  });
  CHECK_NOTHROW(model.run(RandomModel::operations()));
}
