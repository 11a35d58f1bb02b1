// The null plugin's guarantees (plugins/null/README.md), through its shared object.
#include "catch.hpp"
#include "loaded.hpp"

using namespace testing;
namespace Flag = ashlar::Flag;
using ashlar::Op;

TEST_CASE("null: reads zeroes whatever was written, and says that they are a hole") {
  Plugin plugin(std::string(MODULE_FOLDER) + "/null.so", {{"size", "9223372036854775807"}});
  auto disk = plugin.open();
  constexpr std::uint64_t end = INT64_MAX;
  REQUIRE(disk.geometry.size == end);
  REQUIRE(disk.geometry.ops == ashlar::Ops::known());
  REQUIRE_FALSE(disk.geometry.zero_may_fail);
  REQUIRE(disk.fill(end - 4096, 4096, 1, Flag::fua | Flag::nowait) == 0);
  REQUIRE(disk.holds(end - 4096, 4096, 0));
  REQUIRE(disk.extents(0, end) == "H9223372036854775807");
  for (const Op op : {Op::zero, Op::trim, Op::cache, Op::flush})
    REQUIRE(disk.run(Io(op, 0, op == Op::flush ? 0 : end)) == 0);

  std::vector<std::byte> bytes(512, std::byte{0xee});
  ExtentText found;
  Io io = Io::read(0, bytes, Flag::may_hole | Flag::nowait);
  io.extents = &found.sink;
  REQUIRE(disk.run(io) == 0);
  REQUIRE(found.text == "H512");
  REQUIRE(bytes[0] == std::byte{0xee});

  ExtentText more;
  Io bare = Io::lend_only(0, 512, Flag::may_hole);
  bare.extents = &more.sink;
  REQUIRE(disk.run(bare) == 0);
  REQUIRE(more.text == "H512");
  REQUIRE(disk.run(Io::lend_only(0, 512)) == EAGAIN);
}
