// Replies to BLOCK_STATUS, as far as the chain has to do with them; see tests/unit/protocol/status_reply.cpp.
#include "fake_disk.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

struct Extent {
  std::uint64_t length;
  std::uint32_t state;
  friend bool operator==(const Extent&, const Extent&) = default;
};
using List = std::vector<Extent>;

// A disk that answers with `told`, and what the sink said to each.
struct ExtentsFixture {
  FakeDisk disk{1};
  List told;
  std::vector<std::int32_t> answers;
  bool obedient = true;  // stops when told to

  explicit ExtentsFixture(std::uint64_t flags = ASHLAR_REQ_ONE) {
    disk.plugin.geometry.bytes = UINT64_C(1) << 33;
    disk.plugin.geometry.flags = flags;
    disk.plugin.process = [this](ashlar_io& io, const ashlar_open&) {
      answers.clear();
      for (const Extent& e : told) {
        answers.push_back(io.extents->add(io.extents->self, e.length, e.state));
        if (obedient && answers.back() != 0) break;
      }
      return 0;
    };
    disk.open();
  }
  List status(std::uint64_t offset, std::uint32_t length, std::uint16_t flags = 0) {
    Replies r(disk);
    const Chunk c = r.one(r.ask(cmd_block_status, offset, length, flags));
    if (c.error != 0) return {{0, c.error}};
    CHECK(c.type == reply_type_block_status);
    CHECK(c.done());
    CHECK(get32(c.payload.data()) == 7);
    List list;
    for (std::size_t at = 4; at < c.payload.size(); at += 8)
      list.push_back({get32(c.payload.data() + at), get32(c.payload.data() + at + 4)});
    return list;
  }
};

constexpr std::uint32_t hole = ASHLAR_HOLE, zero = ASHLAR_ZERO;

}  // namespace

TEST_CASE("extents become descriptors; no more is wanted at the end of the request") {
  ExtentsFixture f;
  f.obedient = false;
  f.told = {{10, 0}, {20, 0}, {70, hole | zero}, {UINT64_MAX, zero}, {1, 0}};
  CHECK(f.status(0, 150) == List{{30, 0}, {70, hole | zero}, {50, zero}});
  CHECK(f.answers == std::vector<std::int32_t>{0, 0, 0, 1, 1});
}

TEST_CASE("REQ_ONE: one descriptor, of all that is alike at the start, whatever the layers offer") {
  ExtentsFixture f(GENERATE(UINT64_C(0), ASHLAR_REQ_ONE));
  f.obedient = false;
  f.told = {{10, zero}, {0, 0}, {20, zero}, {30, 0}, {40, zero}};
  CHECK(f.status(0, 100, cmd_flag_req_one) == List{{30, zero}});
  CHECK(f.answers == std::vector<std::int32_t>{0, 0, 0, 1, 1});
}

TEST_CASE("less than was asked is told as it is; nothing at all is an error") {
  ExtentsFixture f;
  f.told = {{10, hole}};
  CHECK(f.status(0, 100) == List{{10, hole}});
  f.told = {};
  CHECK(f.status(0, 100) == List{{0, error_eio}});
}

TEST_CASE("a chain without extents: all is allocated") {
  FakeDisk disk(1 << 20);
  disk.plugin.geometry.ops &= ~ASHLAR_OP_BIT(ASHLAR_OP_EXTENTS);
  disk.plugin.process = [](ashlar_io&, const ashlar_open&) { return EIO; };
  disk.open();
  Replies r(disk);
  const Chunk c = r.one(r.ask(cmd_block_status, 5, 1000));
  REQUIRE(c.payload.size() == 12);
  CHECK(get32(c.payload.data() + 4) == 1000);
  CHECK(get32(c.payload.data() + 8) == 0);
}

}  // namespace ashlar::host
