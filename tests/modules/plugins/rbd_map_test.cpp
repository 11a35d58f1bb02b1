// How the plugin rbd reads an object map, as Ceph 16 has written it.
#include <cstdint>
#include <initializer_list>

#include "catch.hpp"
#include "map_form.hpp"

namespace {

using Packed = std::vector<std::byte>;
using Map = std::vector<bool>;

Packed bytes_of(std::initializer_list<std::uint8_t> some) {
  Packed found;
  for (const std::uint8_t one : some) found.push_back(std::byte{one});
  return found;
}

// Of five objects, of which the first and the last are there since before a snapshot, and the second since then.
Packed five_objects() {
  return bytes_of({0x0e, 0,    0,    0, 1, 1, 8,    0,    0,    0,    5, 0, 0, 0, 0,    0,    0,    0,
                   0xd0, 0xc0, 0x0c, 0, 0, 0, 0x18, 0x45, 0x96, 0x82, 1, 0, 0, 0, 0xb8, 0xeb, 0x9c, 0xf8});
}

// Of 20480 objects, of which none is there.
Packed two_blocks() {
  Packed found = bytes_of({0x0e, 0, 0, 0, 1, 1, 8, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0});
  found.resize(found.size() + 20480 / 4);
  for (const std::byte one : bytes_of({0x10, 0, 0, 0, 0x8e, 0x47, 0x5b, 0x0c, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
    found.push_back(one);
  return found;
}

}  // namespace

TEST_CASE("rbd: what an object map tells") {
  CHECK(read_map(five_objects()) == Map{true, true, false, false, true});
  CHECK(read_map(two_blocks()) == Map(20480, false));
}

TEST_CASE("rbd: how long an object map is") {
  CHECK(map_bytes(5) == five_objects().size());
  CHECK(map_bytes(20480) == two_blocks().size());
  CHECK(map_bytes(0) == 30);
}

TEST_CASE("rbd: an object map that is damaged tells nothing") {
  for (const Packed& whole : {five_objects(), two_blocks()}) {
    for (std::size_t length = 0; length < whole.size(); length += length < 40 ? 1 : 511)
      CHECK_FALSE(read_map(std::span(whole).first(length)));
    for (std::size_t at = 0; at < whole.size(); at += at < 40 ? 1 : 511)
      for (const int bit : {1, 0x80}) {
        CAPTURE(at, bit);
        Packed damaged = whole;
        damaged[at] ^= static_cast<std::byte>(bit);
        CHECK_FALSE(read_map(damaged));
      }
  }
  Packed vast = five_objects();
  for (std::size_t at = 10; at < 18; ++at) vast[at] = std::byte{0xff};
  CHECK_FALSE(read_map(vast));
}
