// Transmission: what is told to the client of a chain ("Transmission flags", "Size constraints"). Exactly what the
// chain offers.
#pragma once
#include <algorithm>
#include <ashlar/geometry.hpp>
#include <bit>
#include <cstdint>

#include "protocol/admission.hpp"
#include "protocol/handshake.hpp"
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

struct BlockSizes {
  std::uint32_t minimum;      // bytes, a power of two, 1..65536
  std::uint32_t preferred;    // bytes, a power of two, >= max(minimum, 512)
  std::uint32_t max_payload;  // bytes, a multiple of minimum, >= preferred: largest read or write
  friend constexpr bool operator==(const BlockSizes&, const BlockSizes&) = default;
};

// `limit`: the server's own limit on payloads, in bytes; it and the layers' may be any number, what is told may not: a
// client that finds no multiple of the minimum takes no notice of any of the three. A preferred size too large for one
// request is lowered until it fits.
constexpr BlockSizes block_sizes(const Geometry& geometry, std::uint32_t limit) {
  const std::uint32_t largest = geometry.maximum == 0 ? limit : std::min(limit, geometry.maximum);
  const std::uint32_t fits = largest & ~(geometry.minimum - 1);
  const std::uint32_t least = std::max(geometry.minimum, least_preferred);
  const std::uint32_t preferred = std::max(std::bit_floor(std::min(geometry.preferred, fits)), least);
  return {geometry.minimum, preferred, std::max(fits, preferred)};
}

// Whether a client that was told nothing would assume these.
constexpr bool are_default(const BlockSizes& sizes) {
  return sizes.minimum == default_minimum && sizes.preferred == default_preferred &&
         sizes.max_payload >= default_max_payload;
}

// The rules for the requests of one client, from its export's geometry and what was agreed on; `limit` as above.
inline Admission admission_for(const Geometry& geometry, const Agreement& agreement, std::uint32_t limit) {
  const BlockSizes sizes = block_sizes(geometry, limit);
  return {.size = geometry.size,
          .minimum = sizes.minimum,
          .max_payload = sizes.max_payload,
          .transmission_flags = agreement.transmission_flags,
          .structured = agreement.structured_replies,
          .base_allocation = agreement.base_allocation,
          .offered = geometry.flags};
}

}  // namespace ashlar::protocol
