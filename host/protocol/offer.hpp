// Offer: what is told to the client of a chain ("Transmission flags"). Exactly what the chain offers.
#pragma once
#include <ashlar/geometry.hpp>
#include <cstdint>

#include "protocol/admission.hpp"
#include "protocol/block_sizes.hpp"
#include "protocol/handshake.hpp"
#include "protocol/reply_style.hpp"
#include "protocol/wire.hpp"

namespace ashlar::protocol {

// A chain that cannot write is read-only, whether it says so or not. NO_HOLE needs no ability of the chain: a layer
// that is not called with Flag::may_trim never deallocates.
constexpr std::uint16_t transmission_flags(const Geometry& geometry, bool structured) {
  const bool writable = !geometry.read_only && geometry.ops.has(Ops{Op::write});
  const bool zero = writable && geometry.ops.has(Ops{Op::zero});
  std::uint32_t flags = flag_has_flags;
  const auto set_if = [&flags](bool condition, std::uint16_t flag) { flags |= condition ? flag : 0u; };
  set_if(!writable, flag_read_only);
  set_if(geometry.ops.has(Ops{Op::flush}), flag_send_flush);
  set_if(writable && geometry.flags.has(Flag::fua), flag_send_fua);
  set_if(geometry.rotational, flag_rotational);
  set_if(writable && geometry.ops.has(Ops{Op::trim}), flag_send_trim);
  set_if(zero, flag_send_write_zeroes);
  set_if(structured, flag_send_df);
  set_if(geometry.multi_conn, flag_can_multi_conn);
  set_if(geometry.ops.has(Ops{Op::cache}), flag_send_cache);
  set_if(zero && geometry.flags.has(Flag::fast), flag_send_fast_zero);
  return static_cast<std::uint16_t>(flags);
}

// The rules for the requests of one client, from its export's geometry, what was agreed on and the server's limits.
inline Admission admission_for(const Geometry& geometry, const Agreement& agreement, PayloadLimits limits) {
  const BlockSizes sizes = block_sizes(geometry, limits);
  return {.size = geometry.size,
          .minimum = sizes.minimum,
          .max_payload = sizes.accepted,
          .transmission_flags = agreement.transmission_flags,
          .structured = agreement.structured_replies,
          .base_allocation = agreement.base_allocation,
          .offered = geometry.flags};
}

inline ReplyStyle reply_style_for(const Agreement& agreement) {
  return ReplyStyle(agreement.structured_replies ? ReplyStyle::Kind::structured : ReplyStyle::Kind::simple);
}

}  // namespace ashlar::protocol
