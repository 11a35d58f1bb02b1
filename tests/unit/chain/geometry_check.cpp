#include <ashlar/rules/geometry.hpp>

#include <cstdint>

#include "matchers.hpp"

namespace ashlar::host {
namespace {

using rules::geometry_fault;

ashlar_geometry good() {
  return {sizeof(ashlar_geometry), 1, 4096, 0, 1 << 20, ASHLAR_OP_BIT(ASHLAR_OP_READ), 0, 0, 0, 0};
}

}  // namespace

TEST_CASE("a geometry within the rules has no fault, up to the limits") {
  ashlar_geometry g = good();
  CHECK(geometry_fault(g).empty());
  g.bytes = 0;
  CHECK(geometry_fault(g).empty());
  g.bytes = INT64_MAX;
  CHECK(geometry_fault(g).empty());
  g.minimum = g.preferred = g.maximum = 65536;
  CHECK(geometry_fault(g).empty());
  g.minimum = 1, g.preferred = g.maximum = 512;
  CHECK(geometry_fault(g).empty());
  g.preferred = 32 << 20, g.maximum = 0;
  CHECK(geometry_fault(g).empty());
}

TEST_CASE("each rule of a geometry is checked and named with the number that breaks it") {
  ashlar_geometry g = good();
  g.bytes = static_cast<std::uint64_t>(INT64_MAX) + 1;
  CHECK_THAT(geometry_fault(g), ContainsSubstring("9223372036854775808"));
  for (const std::uint32_t minimum : {0u, 3u, 513u, 131072u}) {
    g = good();
    g.minimum = minimum;
    CHECK_THAT(geometry_fault(g), ContainsSubstring("minimum block, " + std::to_string(minimum)));
  }
  for (const std::uint32_t preferred : {0u, 256u, 4097u, 64u << 20}) {
    g = good();
    g.preferred = preferred;
    CHECK_THAT(geometry_fault(g), ContainsSubstring("preferred block, " + std::to_string(preferred)));
  }
  g = good();
  g.minimum = 8192;
  CHECK_THAT(geometry_fault(g), ContainsSubstring("at least the minimum block"));
  g = good();
  g.maximum = 4095;
  CHECK_THAT(geometry_fault(g), ContainsSubstring("maximum payload, 4095"));
  g = good();
  g.ops = ASHLAR_OP_BIT(ASHLAR_OP_WRITE);
  CHECK_THAT(geometry_fault(g), ContainsSubstring("does not offer read"));
}

}  // namespace ashlar::host
