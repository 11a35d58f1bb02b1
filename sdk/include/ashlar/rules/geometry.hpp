// What a layer may say of itself. Pure.
#pragma once
#include <ashlar/abi.h>

#include <bit>
#include <cstdint>
#include <string>

namespace ashlar::rules {

// The first rule of abi.h that `g` breaks, in words; empty: none.
inline std::string geometry_fault(const ashlar_geometry& g) {
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  if (g.bytes > static_cast<std::uint64_t>(INT64_MAX)) return "its size, " + number(g.bytes) + " bytes, is past 2^63-1";
  if (!std::has_single_bit(g.minimum) || g.minimum > 65536)
    return "its minimum block, " + number(g.minimum) + ", is not a power of two from 1 to 65536";
  if (!std::has_single_bit(g.preferred) || g.preferred < 512 || g.preferred < g.minimum || g.preferred > (32u << 20))
    return "its preferred block, " + number(g.preferred) +
           ", is not a power of two from 512 to 32 MiB and at least the minimum block";
  if (g.maximum != 0 && g.maximum < g.preferred)
    return "its maximum payload, " + number(g.maximum) + ", is less than its preferred block, " + number(g.preferred);
  if ((g.ops & ASHLAR_OP_BIT(ASHLAR_OP_READ)) == 0) return "it does not offer read";
  return {};
}

}  // namespace ashlar::rules
