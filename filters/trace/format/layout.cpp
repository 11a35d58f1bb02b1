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

}  // namespace ashlar::trace
