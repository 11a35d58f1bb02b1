// Below: the layers below, which have the packed bytes, as one call sees them.
#pragma once
#include <ashlar/geometry.hpp>
#include <ashlar/io.hpp>
#include <cstdint>
#include <span>

namespace ashlar::frames {

struct Below {
  void* self;
  Status (*call)(void* self, Io& io) noexcept;
  const Geometry& geometry;

  std::uint64_t size() const { return geometry.size; }
  // Any bytes of it. `parent`: the request that they are for.
  Status read(const Io& parent, std::uint64_t offset, std::span<std::byte> into) const noexcept;
  // The same within describe(). Throws std::system_error.
  void read_now(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  Status read_blocks(const Io& parent, std::uint64_t offset, std::span<std::byte> into) const noexcept;
};

}  // namespace ashlar::frames
