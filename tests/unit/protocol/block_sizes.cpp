#include "protocol/block_sizes.hpp"

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::protocol;

namespace {

BlockSizes sizes(std::uint32_t minimum, std::uint32_t preferred, std::uint32_t maximum, PayloadLimits limits) {
  return block_sizes({.size = 1 << 20, .minimum = minimum, .preferred = preferred, .maximum = maximum}, limits);
}
// Where one limit holds for what is told and for what is answered.
BlockSizes limited(std::uint32_t minimum, std::uint32_t preferred, std::uint32_t payload) {
  return {minimum, preferred, payload, payload};
}

}  // namespace

TEST_CASE("block sizes: within the rules of the text") {
  CHECK(sizes(1, 4096, 0, 32u << 20) == limited(1, 4096, 32 << 20));
  CHECK(sizes(512, 4096, 1 << 20, 32u << 20) == limited(512, 4096, 1 << 20));
  CHECK(sizes(512, 4096, 64 << 20, 32u << 20) == limited(512, 4096, 32 << 20));
  CHECK(sizes(1, 1, 0, 1u << 20) == limited(1, 512, 1 << 20));                   // at least 512
  CHECK(sizes(65536, 4096, 0, 1u << 20) == limited(65536, 65536, 1 << 20));      // at least the minimum
  CHECK(sizes(1, 4 << 20, 1 << 20, 32u << 20) == limited(1, 1 << 20, 1 << 20));  // fits in a request
  CHECK(sizes(1, 4 << 20, 0, 3u << 20) == limited(1, 2 << 20, 3 << 20));
  CHECK(sizes(4096, 4096, 100, 1u << 20) == limited(4096, 4096, 4096));  // at least the preferred
}

TEST_CASE("block sizes: the largest payload is a multiple of the minimum, whatever number limits it") {
  CHECK(sizes(4096, 4096, 0, 100'001u) == limited(4096, 4096, 98'304));
  CHECK(sizes(4096, 4096, 100'001, 1u << 20) == limited(4096, 4096, 98'304));
  CHECK(sizes(512, 65536, 65537, 1u << 20) == limited(512, 65536, 65536));
  CHECK(sizes(65536, 65536, 0, 131'071u) == limited(65536, 65536, 65536));
  CHECK(sizes(4096, 8192, 0, 12'287u) == limited(4096, 8192, 8192));  // but at least the preferred
  CHECK(sizes(1, 4096, 0, 100'001u) == limited(1, 4096, 100'001));
  CHECK(sizes(4096, 4096, 50'000'001, {}) == BlockSizes{4096, 4096, 32 << 20, 49'999'872});
}

TEST_CASE("block sizes: without a limit of the user's, more is answered than is told") {
  CHECK(sizes(1, 4096, 0, payload_limits({})) == BlockSizes{1, 4096, 32 << 20, 64 << 20});
  CHECK(sizes(1, 4096, 48 << 20, payload_limits({})) == BlockSizes{1, 4096, 32 << 20, 48 << 20});
  CHECK(sizes(1, 4096, 1 << 20, payload_limits({})) == limited(1, 4096, 1 << 20));
  CHECK(sizes(1, 4096, 0, payload_limits(1 << 20)) == limited(1, 4096, 1 << 20));
  CHECK(sizes(1, 4096, 0, payload_limits(32 << 20)) == limited(1, 4096, 32 << 20));
  CHECK(sizes(1, 4096, 0, payload_limits(100 << 20)) == limited(1, 4096, 100 << 20));
}

TEST_CASE("block sizes: which need not be told") {
  CHECK(are_default(limited(1, 4096, 32 << 20)));
  CHECK(are_default(limited(1, 4096, 64 << 20)));
  CHECK(are_default({1, 4096, 32 << 20, 64 << 20}));
  CHECK_FALSE(are_default({1, 4096, (32 << 20) - 1, 64 << 20}));
  CHECK_FALSE(are_default(limited(512, 4096, 32 << 20)));
  CHECK_FALSE(are_default(limited(1, 65536, 32 << 20)));
}
