// Numbers as zstd has them in its files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace ashlar::zstd {

inline std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- != 0;) number = number << 8 | static_cast<std::uint64_t>(bytes[i]);
  return number;
}

inline constexpr std::uint64_t skippable_magic = 0x184d2a50;  // or one of the next 15
inline constexpr std::uint64_t frame_magic = 0xfd2fb528;

}  // namespace ashlar::zstd
