// Durable: how Flag::fua is kept when one request becomes several writes below.
#pragma once
#include <ashlar/geometry.hpp>

namespace ashlar {

// A write with FUA makes only itself durable, so FUA on the last of several does not do. One flush behind the last is
// one barrier for all; a single write carries FUA itself; without flush below, every write does.
struct Durable {
  Flags on_each;             // add to each write below
  bool flush_after = false;  // send a flush when the last has succeeded

  constexpr Durable(bool asked, const Geometry& below, bool single) {
    if (!asked) return;
    flush_after = !single && below.ops.has(Op::flush);
    if (!flush_after) on_each = Flag::fua;
  }
};

}  // namespace ashlar
