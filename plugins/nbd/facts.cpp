#include "facts.hpp"

#include <algorithm>
#include <bit>

using namespace ashlar;

namespace {

constexpr std::uint64_t largest_minimum = 64 << 10, largest_preferred = 32 << 20;
constexpr std::uint64_t most_by_libnbd = 64 << 20;
constexpr std::uint64_t maximum_untold = 32 << 20;  // proto.md, "Block size constraints"
constexpr std::uint64_t usual_preferred = 4096;

std::uint64_t minimum_of(const Facts& facts) { return std::max<std::uint64_t>(facts.minimum, 1); }

std::uint64_t maximum_of(const Facts& facts) {
  const std::uint64_t told = facts.maximum != 0 ? facts.maximum : maximum_untold;
  return std::min(told, most_by_libnbd) / minimum_of(facts) * minimum_of(facts);
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

std::string fault_of(const Facts& facts) {
  const std::uint64_t minimum = minimum_of(facts);
  if (facts.size > INT64_MAX) return too_long;
  if (!std::has_single_bit(minimum) || minimum > largest_minimum)
    return "its minimum block size is " + number(minimum) + ", which is no power of two up to 65536";
  if (maximum_of(facts) < std::max<std::uint64_t>(minimum, 512))
    return "its maximum block size is " + number(facts.maximum) + ", which is too small";
  return "";
}

std::string fault_of_change(const Facts& before, const Facts& now) {
  if (now.size < before.size) return "it had " + number(before.size) + " bytes and has " + number(now.size);
  if (now.read_only && !before.read_only) return "it can only be read now";
  const Ops gone = before.ops.without(now.ops);
  for (const Op op : {Op::read, Op::write, Op::flush, Op::trim, Op::zero, Op::cache, Op::extents})
    if (gone.has(op)) return std::string("it no longer has ") + name(op);
  if (before.fua && !now.fua) return "it no longer has durable writes (FUA)";
  if (before.fast_zero && !now.fast_zero) return "it no longer has fast zeroes";
  if (before.multi_conn && !now.multi_conn) return "it no longer allows several connections";
  if (minimum_of(now) > minimum_of(before))
    return "its minimum block size was " + number(minimum_of(before)) + " and is " + number(minimum_of(now));
  if (maximum_of(now) < maximum_of(before))
    return "its maximum block size was " + number(maximum_of(before)) + " and is " + number(maximum_of(now));
  return "";
}

Geometry geometry_of(const Facts& facts, bool read_only, std::uint32_t depth) {
  Geometry g;
  g.size = facts.size;
  g.read_only = facts.read_only || read_only;
  g.ops = g.read_only ? facts.ops.without(Ops::writing()) : facts.ops;
  g.flags = Flag::nowait | Flag::may_trim | Flag::req_one;
  if (facts.fua) g.flags |= Flag::fua;
  if (facts.fast_zero) g.flags |= Flag::fast;
  g.minimum = static_cast<std::uint32_t>(minimum_of(facts));
  g.maximum = static_cast<std::uint32_t>(maximum_of(facts));
  // A server may have told anything.
  const std::uint64_t wanted = facts.preferred != 0 ? std::min(facts.preferred, largest_preferred) : usual_preferred;
  const std::uint64_t least = std::max<std::uint64_t>(g.minimum, 512);
  g.preferred = static_cast<std::uint32_t>(
      std::min(std::max(std::bit_floor(wanted), least), std::bit_floor<std::uint64_t>(g.maximum)));
  g.rotational = facts.rotational;
  g.multi_conn = true;  // the connections to the server are shared by all clients
  g.parks = true;
  g.depth = depth;
  return g;
}
