// Geometry: what an opened layer is, and what it offers. Decided once at open; obeyed on the data path.
#pragma once
#include <ashlar/ops.hpp>

#include <cstddef>

namespace ashlar {

struct Geometry {
  std::uint64_t size = 0;     // bytes, 0..INT64_MAX; any number
  Ops ops = Ops::known();     // what it offers; a Plugin's is cut to the ops it overrides
  Flags flags = Flag::none;   // request flags it understands; it never sees another
  std::uint32_t minimum = 1;  // bytes, a power of two up to 64 KiB: requests start and end on it (or end at `size`)
  std::uint32_t preferred = 4096;  // bytes, a power of two, >= minimum and >= 512
  std::uint32_t maximum = 0;       // bytes: largest read or write in one request; 0: no limit of its own
  bool read_only = false;
  bool rotational = false;
  bool multi_conn = false;     // flush on one connection covers the completed writes of all
  bool zero_may_fail = false;  // zero may answer not_supported also without Flag::fast
  bool parks = false;          // the ops never block a thread but by Wait (wait.hpp) or Blocking (blocking.hpp)
  std::uint32_t depth = 0;     // how many requests at once, of one client, it gains from; 0: it does not know
};

// Reads what lies within `g.struct_size`.
inline Geometry from_abi(const ashlar_geometry& g) {
  return {.size = g.bytes,
          .ops = Ops{g.ops},
          .flags = Flags{g.flags},
          .minimum = g.minimum,
          .preferred = g.preferred,
          .maximum = g.maximum,
          .read_only = (g.traits & ASHLAR_READ_ONLY) != 0,
          .rotational = (g.traits & ASHLAR_ROTATIONAL) != 0,
          .multi_conn = (g.traits & ASHLAR_MULTI_CONN) != 0,
          .zero_may_fail = (g.traits & ASHLAR_ZERO_MAY_FAIL) != 0,
          .parks = (g.traits & ASHLAR_PARKS) != 0,
          .depth = g.depth};
}

// Leaves `out.struct_size` as it is.
inline void to_abi(const Geometry& g, ashlar_geometry& out) {
  out.minimum = g.minimum;
  out.preferred = g.preferred;
  out.maximum = g.maximum;
  out.bytes = g.size;
  out.ops = g.ops.bits();
  out.flags = g.flags.bits();
  out.traits = (g.read_only ? ASHLAR_READ_ONLY : 0) | (g.rotational ? ASHLAR_ROTATIONAL : 0) |
               (g.multi_conn ? ASHLAR_MULTI_CONN : 0) | (g.zero_may_fail ? ASHLAR_ZERO_MAY_FAIL : 0) |
               (g.parks ? ASHLAR_PARKS : 0);
  out.depth = g.depth;
}

}  // namespace ashlar
