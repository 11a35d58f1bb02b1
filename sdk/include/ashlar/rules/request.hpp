// What a request to a layer may have, by what the layer has said of itself. Pure.
#pragma once
#include <ashlar/geometry.hpp>
#include <ashlar/io.hpp>
#include <ashlar/rules/first_size.hpp>

#include <cstdint>

namespace ashlar::rules {

namespace detail {

inline const char* fault_in_range(const Geometry& g, const ashlar_io& io) {
  if (io.op == ASHLAR_OP_FLUSH) return io.length == 0 && io.offset == 0 ? nullptr : "a flush with a range";
  if (io.length == 0) return "no length";
  if (io.offset > g.size || io.length > g.size - io.offset) return "it reaches past the end";
  const std::uint64_t end = io.offset + io.length;
  if (io.offset % g.minimum != 0) return "it does not start on a block";
  if (end % g.minimum != 0 && end != g.size) return "it does not end on a block";
  const bool carries = io.op == ASHLAR_OP_READ || io.op == ASHLAR_OP_WRITE;
  return carries && g.maximum != 0 && io.length > g.maximum ? "it is longer than the maximum" : nullptr;
}

inline Flags flags_of(Op op) {
  switch (op) {
    case Op::read: return Flag::nowait | Flag::lending | Flag::may_hole;
    case Op::write:
    case Op::trim: return Flag::nowait | Flag::fua;
    case Op::zero: return Flag::nowait | Flag::fua | Flag::may_trim | Flag::fast;
    case Op::extents: return Flag::nowait | Flag::req_one;
    default: return Flag::nowait;
  }
}

inline const char* fault_in_flags(const ashlar_io& io) {
  const Flags flags{io.flags};
  if (flags.without(flags_of(static_cast<Op>(io.op))).any()) return "a flag that the op does not have";
  constexpr Flags lent_at_once = Flag::nowait | Flag::may_lend;
  if (flags.has(Flag::lend_only) && !flags.has(lent_at_once)) return "lend_only without nowait and may_lend";
  if (flags.has(Flag::may_lend_cold) && !flags.has(lent_at_once)) return "may_lend_cold without nowait and may_lend";
  return nullptr;
}

inline const char* fault_in_pointers(const ashlar_io& io) {
  const Flags flags{io.flags};
  const bool carries = io.op == ASHLAR_OP_READ || io.op == ASHLAR_OP_WRITE;
  if (flags.has(Flag::lend_only)) {
    if (io.data != nullptr) return "data, although they may only be lent";
  } else if (carries != (io.data != nullptr)) {
    return carries ? "no data" : "data that it does not carry";
  }
  const bool tells = io.op == ASHLAR_OP_EXTENTS || flags.has(Flag::may_hole);
  if (tells != (io.extents != nullptr)) return tells ? "no sink" : "a sink that it has no use for";
  return io.lent_fd != -1 || io.lent_cold != 0 ? "what is to be set by it is set already" : nullptr;
}

}  // namespace detail

// The first rule of abi.h that `io` breaks, sent to a layer that is `g`, in words; nullptr: none.
inline const char* request_fault(const Geometry& g, const ashlar_io& io) {
  if (!is_whole(io)) return "its struct is shorter than this ABI's";
  if (io.op > ASHLAR_OP_EXTENTS || !g.ops.has(static_cast<Op>(io.op))) return "the op is not offered";
  if (Flags{io.flags}.without(g.flags).any()) return "a flag is not offered";
  if (const char* fault = detail::fault_in_range(g, io)) return fault;
  if (const char* fault = detail::fault_in_flags(io)) return fault;
  return detail::fault_in_pointers(io);
}

}  // namespace ashlar::rules
