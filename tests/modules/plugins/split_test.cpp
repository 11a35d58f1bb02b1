// The split plugin's guarantees (plugins/split/README.md).
#include <cstring>

#include "../filters/bench.hpp"
#include "../random_model.hpp"
#include "catch.hpp"
#include "scratch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

Bytes contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// The text with which `paths` are refused when they are opened.
std::string refusal(const TestLayer& layer) {
  try {
    layer.open();
  } catch (const Refused& r) {
    return r.what();
  }
  return "";
}

// Four parts of 1000, 0, 70000 and 5 bytes, filled with 'a', 'c' and 'd'.
struct Four {
  Scratch scratch;
  const std::string a = scratch.filled("a", 1000, 'a'), b = scratch.file("b", 0), c = scratch.filled("c", 70000, 'c'),
                    d = scratch.filled("d", 5, 'd');
  FakeHost host;
  const Given given{{"paths", a + "," + b + "," + c + "," + d}};
};

Bytes expected(std::size_t size) {
  Bytes all = bytes_of(1000, 'a');
  all.resize(71000, std::byte{'c'});
  all.resize(size, std::byte{'d'});
  return all;
}

}  // namespace

TEST_CASE("split: the parts in their order, each byte at its place") {
  Four four;
  const TestLayer layer(own_module(), four.host, four.given);
  const auto device = layer.open();
  REQUIRE(device->geometry().size == 71005);
  CHECK(device->geometry().multi_conn);
  CHECK(read_all(*device, 0, 71005) == expected(71005));
  CHECK(device->write(998, bytes_of(70007, 'X'), Flag::fua).ok());
  CHECK(contents(four.a) == part(read_all(*device, 0, 1000), 0, 1000));
  CHECK(part(contents(four.a), 997, 3) == Bytes{std::byte{'a'}, std::byte{'X'}, std::byte{'X'}});
  CHECK(contents(four.c) == bytes_of(70000, 'X'));
  Bytes last = bytes_of(5, 'X');
  CHECK(contents(four.d) == last);
}

TEST_CASE("split: a write that ends within a part leaves the rest of it alone") {
  Four four;
  const TestLayer layer(own_module(), four.host, four.given);
  const auto device = layer.open();
  CHECK(device->write(70998, bytes_of(4, 'X')).ok());
  Bytes all = expected(71005);
  put(all, 70998, bytes_of(4, 'X'));
  CHECK(read_all(*device, 0, 71005) == all);
  CHECK(contents(four.d) == part(all, 71000, 5));
}

TEST_CASE("split: extents and zeroes across parts") {
  Scratch scratch;
  FakeHost host;
  const std::string a = scratch.file("a", 65536), b = scratch.filled("b", 65536, 'b'), c = scratch.file("c", 65536);
  const TestLayer layer(own_module(), host, {{"paths", a + "," + b + "," + c}});
  const auto device = layer.open();
  ExtentList list;
  CHECK(device->extents(4096, 3 * 65536 - 8192, list).ok());
  REQUIRE(list.extents().size() == 3);
  CHECK(list.extents()[0] == ListedExtent{65536 - 4096, Extent::sparse});
  CHECK(list.extents()[1] == ListedExtent{65536, Extent::allocated});
  CHECK(list.extents()[2].state == Extent::sparse);
  ExtentList one;
  CHECK(device->extents(4096, 3 * 65536 - 8192, one, Flag::req_one).ok());
  CHECK(one.extents().size() == 1);

  CHECK(device->zero(60000, 65536, Flag::fast | Flag::may_trim) == Status::not_supported());
  CHECK(contents(b) == bytes_of(65536, 'b'));
  const Status s = device->zero(65536, 65536, Flag::may_trim);
  CHECK((s.ok() || s == Status::not_supported()));  // as the file system can
}

TEST_CASE("split: a try without waiting stays within one part") {
  Four four;
  const TestLayer layer(own_module(), four.host, four.given);
  const auto device = layer.open();
  Bytes into(100);
  CHECK(device->read(950, into, Flag::nowait) == Status::would_block());
  CHECK(device->write(950, into, Flag::nowait) == Status::would_block());
  CHECK(contents(four.a) == bytes_of(1000, 'a'));
  CHECK(device->process(Io(Op::flush, 0, 0, Flag::nowait)) == Status::would_block());
  CHECK(device->flush().ok());
}

TEST_CASE("split: refuses what cannot be one disk, and names the path") {
  Four four;
  const TestLayer missing(own_module(), four.host, {{"paths", four.a + "," + four.scratch.path("nothing")}});
  CHECK(refusal(missing).find(four.scratch.path("nothing")) != std::string::npos);
  const std::string link = four.scratch.path("link");
  std::filesystem::create_symlink(four.a, link);
  const TestLayer twice(own_module(), four.host, {{"paths", four.a + "," + four.c + "," + link}});
  CHECK(refusal(twice) == link + " is in paths twice: what is written to one part would show in the other");
  CHECK_THROWS_AS(TestLayer(own_module(), four.host, {{"paths", ""}}), Refused);
}

TEST_CASE("split: a part that has changed its size is refused, the last may grow") {
  Four four;
  const TestLayer layer(own_module(), four.host, four.given);
  CHECK(refusal(layer) == "");
  std::filesystem::resize_file(four.d, 4096);
  CHECK(layer.open()->geometry().size == 71000 + 4096);
  std::filesystem::resize_file(four.a, 1001);
  CHECK(refusal(layer).find(four.a + " has changed its size") == 0);
}

TEST_CASE("split: a device for reading does not write") {
  Four four;
  const TestLayer layer(own_module(), four.host, four.given);
  const auto device = layer.open(true);
  CHECK(device->geometry().read_only);
  CHECK_FALSE(device->geometry().ops.has(Op::write));
}

TEST_CASE("split: random requests") {
  Four four;
  const TestLayer layer(own_module(), four.host, four.given);
  const auto device = layer.open();
  RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), expected(71005));
  CHECK_NOTHROW(model.run(RandomModel::operations()));
  CHECK(device->flush().ok());
  CHECK(contents(four.c) == part(model.contents(), 1000, 70000));
}
