// Extents through align: on blocks, from the offset asked for, never better than the truth.
#include <algorithm>
#include <ashlar/plugin.hpp>
#include <random>

#include "bench.hpp"
#include "block_extents.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {
using Told = std::vector<ListedExtent>;

// What the client hears when the layer below says `below`, from the start of the block that holds `from`.
Told told(const Blocks& blocks, std::uint64_t from, const Told& below, bool only_one = false) {
  ExtentList list;
  BlockExtents extents(blocks, from, list, only_one);
  for (const ListedExtent& e : below)
    if (!extents.add(e.length, e.state)) break;
  extents.finish();
  CHECK_FALSE(list.had_empty());
  return list.extents();
}
}  // namespace

TEST_CASE("align extents: whole blocks go through") {
  CHECK(told({512, 4096}, 0, {{1024, Extent::sparse}, {3072, {}}}) == Told{{1024, Extent::sparse}, {3072, {}}});
}

TEST_CASE("align extents: a block is a hole only if all of it is") {
  CHECK(told({512, 4096}, 0, {{700, Extent::sparse}, {3396, {}}}) == Told{{512, Extent::sparse}, {3584, {}}});
  CHECK(told({512, 4096}, 0, {{700, {}}, {3396, Extent::sparse}}) == Told{{1024, {}}, {3072, Extent::sparse}});
  CHECK(told({512, 512}, 0, {{100, Extent::sparse}, {100, Extent::zero}, {312, Extent::sparse}}) ==
        Told{{512, Extent::zero}});
}

TEST_CASE("align extents start where the client asked") {
  CHECK(told({512, 4096}, 1000, {{1024, Extent::sparse}, {2048, {}}}) == Told{{536, Extent::sparse}, {2048, {}}});
}

TEST_CASE("align extents end at the size, in a short block, too") {
  CHECK(told({512, 1000}, 0, {{512, {}}, {9999, Extent::sparse}}) == Told{{512, {}}, {488, Extent::sparse}});
  CHECK(told({512, 1000}, 0, {{600, {}}, {400, Extent::sparse}}) == Told{{1000, {}}});
}

TEST_CASE("align extents: when only the first is asked for, it is one, and not empty") {
  CHECK(told({512, 4096}, 0, {{100, Extent::sparse}, {412, {}}, {512, {}}}, true) == Told{{512, {}}});
  CHECK(told({512, 4096}, 600, {{512, Extent::sparse}, {512, {}}}, true) == Told{{424, Extent::sparse}});
}

TEST_CASE("align extents: a layer below that says less than a block is still an answer") {
  CHECK(told({512, 4096}, 0, {{100, Extent::sparse}}) == Told{{100, Extent::sparse}});
}

namespace {
// Tells one extent of 512 bytes at a time; each second of them is a hole.
class OneAtATime final : public Plugin {
 public:
  Geometry describe() override { return {.size = 65536, .minimum = 512}; }
  Status read(Io& io) noexcept override {
    std::ranges::fill(io.buffer(), std::byte{0});
    return Status::success();
  }
  Status extents(Io& io) noexcept override {
    const bool hole = io.offset() / 512 % 2 != 0;
    static_cast<void>(io.add_extent(512, hole ? Extent::sparse : Extent::zero));
    return Status::success();
  }
};
}  // namespace

TEST_CASE("align extents: a layer below that stops early is asked on, until there is a whole block to tell of") {
  static constexpr ashlar_module stops_early = module_of<OneAtATime>({.name = "stops-early"});
  const FakeHost host;
  const TestLayer bottom(stops_early, host);
  const auto below = bottom.open();
  const TestLayer layer(own_module(), host, {{"block_size", "4K"}});
  const auto device = layer.open_over(*below);
  for (const std::uint64_t from : {8192, 8192 + 1024, 8192 + 3584, 65536 - 512}) {
    ExtentList list;
    REQUIRE(device->extents(from, 512, list).ok());
    REQUIRE_FALSE(list.extents().empty());
    CHECK(list.extents().front().state == Extent::zero);
    CHECK(list.extents().front().length == 4096 - from % 4096);
  }
}

TEST_CASE("align extents: the client hears at most what is true, of random disks") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    FakeHost host;
    ModelDisk disk(4096 + random() % 1024);
    for (int i = 0; i < 12; ++i) {
      const std::uint64_t at = random() % disk.bytes().size();
      disk.set_state(at, random() % (disk.bytes().size() - at), random() % 2 != 0 ? Extent::allocated : Extent::sparse);
    }
    const TestLayer layer(own_module(), host, {{"block_size", "512"}});
    const auto device = layer.open_over(disk);
    const std::uint64_t from = random() % disk.bytes().size();
    const std::uint64_t n = 1 + random() % (disk.bytes().size() - from);
    ExtentList list, truth;
    REQUIRE(device->extents(from, n, list, random() % 2 != 0 ? Flag::req_one : Flag::none).ok());
    REQUIRE_FALSE(list.extents().empty());
    REQUIRE(from + list.total() <= disk.bytes().size());
    Io io(Op::extents, from, n);
    io.set_sink(&truth);
    REQUIRE(disk.device()->process(disk.device()->self, &io) == 0);
    const auto state_at = [](const Told& all, std::uint64_t at) {
      for (const ListedExtent& e : all) {
        if (at < e.length) return e.state;
        at -= e.length;
      }
      return Extent::allocated;
    };
    for (std::uint64_t at = 0; at < std::min({list.total(), truth.total(), n}); ++at)
      REQUIRE(state_at(truth.extents(), at).has(state_at(list.extents(), at)));
    CHECK(disk.breaches().empty());
  }
}
