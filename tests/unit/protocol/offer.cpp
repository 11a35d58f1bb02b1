#include "protocol/offer.hpp"

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::protocol;

namespace {

Geometry only(Ops ops, Flags flags = Flag::none) { return {.size = 4096, .ops = ops, .flags = flags}; }
const Ops rw = Op::read | Op::write;

std::uint16_t flags_of(Geometry g, bool structured = false) { return transmission_flags(g, structured); }
Geometry as_read_only(Geometry g) {
  g.read_only = true;
  return g;
}

}  // namespace

TEST_CASE("offer: each flag has its one cause") {
  CHECK(flags_of(only(rw)) == 0x001);
  CHECK(flags_of(as_read_only(only(rw))) == 0x003);
  CHECK(flags_of(only(Op::read)) == 0x003);
  CHECK(flags_of(only(rw | Ops{Op::flush})) == 0x005);
  CHECK(flags_of(only(rw, Flag::fua)) == 0x009);
  Geometry spinning = only(rw);
  spinning.rotational = true;
  CHECK(flags_of(spinning) == 0x011);
  CHECK(flags_of(only(rw | Ops{Op::trim})) == 0x021);
  CHECK(flags_of(only(rw | Ops{Op::zero})) == 0x041);
  CHECK(flags_of(only(rw), true) == 0x081);
  Geometry shared = only(rw);
  shared.multi_conn = true;
  CHECK(flags_of(shared) == 0x101);
  CHECK(flags_of(only(rw | Ops{Op::cache})) == 0x401);
  CHECK(flags_of(only(rw | Ops{Op::zero}, Flag::fast)) == 0x841);
  CHECK(flags_of(only(rw, Flag::fast)) == 0x001);
  CHECK(flags_of(only(rw | Ops{Op::extents}, Flag::may_trim | Flag::req_one | Flag::shortcuts)) == 0x001);
}

TEST_CASE("offer: a read-only export offers nothing that writes") {
  CHECK(flags_of(as_read_only(only(Ops::known(), Flag::promises)), true) == 0x487);
  CHECK(flags_of(only(Ops::known(), Flag::promises), true) == 0xced);
}

TEST_CASE("offer: the rules for requests are what was told to the client") {
  const Geometry geometry = {.size = 12345, .flags = Flag::fua, .minimum = 512, .preferred = 1024, .maximum = 65536};
  const Agreement agreement = {
      .structured_replies = true, .base_allocation = true, .allocation_context = 1, .transmission_flags = 0x4d};
  const Admission in = admission_for(geometry, agreement, 32 << 20);
  CHECK(in.size == 12345);
  CHECK(in.minimum == 512);
  CHECK(in.max_payload == 65536);  // of the layers
  CHECK(in.transmission_flags == 0x4d);
  CHECK(in.structured);
  CHECK(in.base_allocation);
  CHECK(in.offered == Flag::fua);
  // Longer requests than told are let through, but none that the layers would not take.
  CHECK(admission_for({.size = 1 << 30}, agreement, {}).max_payload == 64 << 20);
  CHECK(admission_for({.size = 1 << 30, .maximum = 48 << 20}, agreement, {}).max_payload == 48 << 20);
  const Admission plain = admission_for(geometry, {}, 32 << 20);
  CHECK_FALSE(plain.structured);
  CHECK_FALSE(plain.base_allocation);
}
