#include "layout.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ashlar::trace {

std::uint64_t hash_of(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint32_t check_of(const SegmentHeader& header) {
  return static_cast<std::uint32_t>(XXH3_64bits(&header, offsetof(SegmentHeader, check)));
}

std::uint32_t check_of(std::span<const std::byte> entry, std::uint64_t sequence) {
  constexpr std::size_t at = sizeof(EntryHeader::check);
  return static_cast<std::uint32_t>(XXH3_64bits_withSeed(entry.data() + at, entry.size() - at, sequence));
}

std::uint32_t check_of(const std::function<std::span<const std::byte>()>& next, std::uint64_t sequence) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, sequence);
  auto bytes = next();
  for (std::size_t skip = sizeof(EntryHeader::check); !bytes.empty(); skip = 0, bytes = next())
    XXH3_64bits_update(&state, bytes.data() + skip, bytes.size() - skip);
  return static_cast<std::uint32_t>(XXH3_64bits_digest(&state));
}

}  // namespace ashlar::trace
