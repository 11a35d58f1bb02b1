// Block sizes: which requests a client is told to send, and how long a read or write is answered ("Size constraints").
#pragma once
#include <algorithm>
#include <ashlar/geometry.hpp>
#include <bit>
#include <cstdint>
#include <optional>

#include "protocol/wire.hpp"

namespace ashlar::protocol {

// The server's own limits on one read or write, in bytes; any numbers. If the user sets none, clients are told the
// protocol's default, and longer requests are answered, too: not every client heeds what it is told.
struct PayloadLimits {
  std::uint32_t advertised = 32u << 20;
  std::uint32_t accepted = 64u << 20;  // >= advertised

  constexpr PayloadLimits() = default;
  constexpr PayloadLimits(std::uint32_t limit) : advertised(limit), accepted(limit) {}  // NOLINT: the user's limit
};
constexpr PayloadLimits payload_limits(std::optional<std::uint32_t> configured) {
  return configured ? PayloadLimits(*configured) : PayloadLimits();
}

struct BlockSizes {
  std::uint32_t minimum;      // bytes, a power of two, 1..65536
  std::uint32_t preferred;    // bytes, a power of two, >= max(minimum, 512)
  std::uint32_t max_payload;  // bytes, a multiple of minimum, >= preferred: largest read or write, as told
  std::uint32_t accepted;     // bytes, likewise, >= max_payload: largest read or write that is answered; not told
  friend constexpr bool operator==(const BlockSizes&, const BlockSizes&) = default;
};

// The layers' maximum bounds both payloads. All limits may be any numbers; what is told must not: a client that finds a
// payload that is no multiple of the minimum takes no notice of any size. A preferred size too large for one request is
// lowered until it fits.
constexpr BlockSizes block_sizes(const Geometry& geometry, PayloadLimits limits) {
  const auto fitting = [&geometry](std::uint32_t limit) {
    const std::uint32_t largest = geometry.maximum == 0 ? limit : std::min(limit, geometry.maximum);
    return largest & ~(geometry.minimum - 1);
  };
  const std::uint32_t told = fitting(limits.advertised);
  const std::uint32_t least = std::max(geometry.minimum, least_preferred);
  const std::uint32_t preferred = std::max(std::bit_floor(std::min(geometry.preferred, told)), least);
  const std::uint32_t max_payload = std::max(told, preferred);
  return {geometry.minimum, preferred, max_payload, std::max(fitting(limits.accepted), max_payload)};
}

// Whether a client that was told nothing would assume these.
constexpr bool are_default(const BlockSizes& sizes) {
  return sizes.minimum == default_minimum && sizes.preferred == default_preferred &&
         sizes.max_payload >= default_max_payload;
}

}  // namespace ashlar::protocol
