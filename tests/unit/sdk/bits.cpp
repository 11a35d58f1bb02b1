// Sets of ops, flags and states; what is built from them.
#include <ashlar/durable.hpp>
#include <ashlar/geometry.hpp>
#include <set>
#include <string>

#include "catch.hpp"

using namespace ashlar;

TEST_CASE("the seven ops have the same names everywhere") {
  std::set<std::string> names;
  for (std::uint32_t op = 0; op < 7; ++op) names.insert(name(static_cast<Op>(op)));
  CHECK(names == std::set<std::string>{"read", "write", "flush", "trim", "zero", "cache", "extents"});
  CHECK(std::string(name(static_cast<Op>(7))) == "unknown");
}

TEST_CASE("every flag of the ABI has a name, once, and is a promise or a shortcut") {
  Flags all;
  for (const auto& [flag, text] : Flag::names) {
    CHECK_FALSE((all & flag).any());
    CHECK(std::string(text) != "");
    all |= flag;
  }
  CHECK(all == Flags{ASHLAR_FLAGS_KNOWN});
  CHECK((Flag::promises | Flag::shortcuts) == all);
  CHECK_FALSE((Flag::promises & Flag::shortcuts).any());
}

TEST_CASE("sets of ops take a single op") {
  Ops ops = Op::read | Op::write;
  CHECK(ops.has(Op::read));
  CHECK_FALSE(ops.has(Op::zero));
  CHECK_FALSE(ops.has(Op::read | Op::zero));
  ops |= Op::zero;
  CHECK(ops.has(Op::zero));
  ops &= Ops::writing();
  CHECK(ops == (Op::write | Op::zero));
  CHECK(ops.without(Op::zero) == Ops{Op::write});
  CHECK((Op::write | Op::zero | Op::trim) == Ops::writing());
}

TEST_CASE("a geometry survives the boundary") {
  const Geometry g{.size = 12345,
                   .ops = Op::read | Op::cache,
                   .flags = Flag::fua | Flag::nowait,
                   .minimum = 512,
                   .preferred = 8192,
                   .maximum = 65536,
                   .read_only = true,
                   .rotational = true,
                   .multi_conn = true,
                   .zero_may_fail = true};
  ashlar_geometry abi{};
  abi.struct_size = 4711;
  to_abi(g, abi);
  CHECK(abi.struct_size == 4711);
  const Geometry back = from_abi(abi);
  CHECK(back.size == g.size);
  CHECK(back.ops == g.ops);
  CHECK(back.flags == g.flags);
  CHECK(back.minimum == 512);
  CHECK(back.preferred == 8192);
  CHECK(back.maximum == 65536);
  CHECK((back.read_only && back.rotational && back.multi_conn && back.zero_may_fail));
  to_abi(Geometry{}, abi);
  CHECK(abi.traits == 0);
}

TEST_CASE("FUA over several writes is one flush, on one it stays, without flush it is on each") {
  const auto is = [](Durable d, Flags on_each, bool flush) { return d.on_each == on_each && d.flush_after == flush; };
  Geometry below;
  CHECK(is({true, below, true}, Flag::fua, false));
  CHECK(is({true, below, false}, Flag::none, true));
  CHECK(is({false, below, true}, Flag::none, false));
  CHECK(is({false, below, false}, Flag::none, false));
  below.ops = below.ops.without(Op::flush);
  CHECK(is({true, below, false}, Flag::fua, false));
}
