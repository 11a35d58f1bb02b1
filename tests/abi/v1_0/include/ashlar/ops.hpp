// Op, Ops, Flags: what a request does, what a layer offers, and how a request wants it done.
#pragma once
#include <ashlar/abi.h>

#include <cstdint>

namespace ashlar {

// The seven ops, by the same names from the wire to the system call; effects in abi.h.
enum class Op : std::uint32_t {
  read = ASHLAR_OP_READ,
  write = ASHLAR_OP_WRITE,
  flush = ASHLAR_OP_FLUSH,
  trim = ASHLAR_OP_TRIM,
  zero = ASHLAR_OP_ZERO,
  cache = ASHLAR_OP_CACHE,
  extents = ASHLAR_OP_EXTENTS,
};

constexpr const char* name(Op op) {
  constexpr const char* names[] = {"read", "write", "flush", "trim", "zero", "cache", "extents"};
  return static_cast<std::uint32_t>(op) < 7 ? names[static_cast<std::uint32_t>(op)] : "unknown";
}

// A set of bits that cannot be mixed up with another set.
template <class Tag>
class Bits {
 public:
  constexpr Bits() = default;
  constexpr explicit Bits(std::uint64_t bits) : bits_(bits) {}
  constexpr std::uint64_t bits() const { return bits_; }
  constexpr bool has(Bits all_of) const { return (bits_ & all_of.bits_) == all_of.bits_; }
  constexpr bool any() const { return bits_ != 0; }
  constexpr Bits without(Bits b) const { return Bits{bits_ & ~b.bits_}; }
  friend constexpr Bits operator|(Bits a, Bits b) { return Bits{a.bits_ | b.bits_}; }
  friend constexpr Bits operator&(Bits a, Bits b) { return Bits{a.bits_ & b.bits_}; }
  constexpr Bits& operator|=(Bits b) { return *this = *this | b; }
  constexpr Bits& operator&=(Bits b) { return *this = *this & b; }
  friend constexpr bool operator==(Bits, Bits) = default;

 private:
  std::uint64_t bits_ = 0;
};

// Ops that a layer offers.
class Ops : public Bits<Ops> {
 public:
  using Bits::Bits;
  constexpr Ops(Bits b) : Bits(b) {}                                             // NOLINT: same set
  constexpr Ops(Op op) : Bits(ASHLAR_OP_BIT(static_cast<std::uint32_t>(op))) {}  // NOLINT: a set of one
  // As those of Bits, but an Op will do for a set of one.
  constexpr bool has(Ops all_of) const { return Bits::has(all_of); }
  constexpr Ops without(Ops b) const { return Bits::without(b); }
  constexpr Ops& operator|=(Ops b) { return *this = *this | b; }
  constexpr Ops& operator&=(Ops b) { return *this = *this & b; }
  static constexpr Ops known() { return Ops{ASHLAR_OPS_KNOWN}; }
  static constexpr Ops writing() { return Ops{Op::write} | Ops{Op::trim} | Ops{Op::zero}; }
  // Those after which something is kept that was not before.
  static constexpr Ops changing() { return writing() | Ops{Op::flush}; }
};
constexpr Ops operator|(Op a, Op b) { return Ops{a} | Ops{b}; }
constexpr Ops operator|(Ops a, Op b) { return a | Ops{b}; }

// Request flags; effects in abi.h.
using Flags = Bits<struct FlagsTag>;
namespace Flag {
inline constexpr Flags none{};
inline constexpr Flags fua{ASHLAR_FUA};
inline constexpr Flags may_trim{ASHLAR_MAY_TRIM};
inline constexpr Flags fast{ASHLAR_FAST};
inline constexpr Flags req_one{ASHLAR_REQ_ONE};
inline constexpr Flags nowait{ASHLAR_NOWAIT};
inline constexpr Flags may_lend{ASHLAR_MAY_LEND};
inline constexpr Flags may_hole{ASHLAR_MAY_HOLE};
inline constexpr Flags may_lend_cold{ASHLAR_MAY_LEND_COLD};
inline constexpr Flags lend_only{ASHLAR_LEND_ONLY};
// Flags that ask for a promise of the backend; a filter passes them on unless it breaks them.
inline constexpr Flags promises = fua | may_trim | fast | req_one;
// Of them, those that must not be left out of what is handed on: without them less is done than was asked for.
inline constexpr Flags to_keep = fua | fast;
// Flags that let bytes stay where they are.
inline constexpr Flags lending = may_lend | may_lend_cold | lend_only;
// Flags that make requests fast; a filter passes them on only when it says that it understands them.
inline constexpr Flags shortcuts = nowait | may_lend | may_hole | may_lend_cold | lend_only;

// Each flag by name, in the order of the bits.
struct Named {
  Flags flag;
  const char* name;
};
inline constexpr Named names[] = {{fua, "fua"},
                                  {may_trim, "may_trim"},
                                  {fast, "fast"},
                                  {req_one, "req_one"},
                                  {nowait, "nowait"},
                                  {may_lend, "may_lend"},
                                  {may_hole, "may_hole"},
                                  {may_lend_cold, "may_lend_cold"},
                                  {lend_only, "lend_only"}};
}  // namespace Flag

// State of an extent, as in NBD's base:allocation.
using ExtentState = Bits<struct ExtentTag>;
namespace Extent {
inline constexpr ExtentState allocated{};
inline constexpr ExtentState hole{ASHLAR_HOLE};
inline constexpr ExtentState zero{ASHLAR_ZERO};
inline constexpr ExtentState sparse = hole | zero;
}  // namespace Extent

}  // namespace ashlar
