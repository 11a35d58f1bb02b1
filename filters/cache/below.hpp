// Below: the layers below, as one call sees them.
#pragma once
#include <algorithm>
#include <ashlar/geometry.hpp>
#include <ashlar/io.hpp>
#include <fileops/byte_limit.hpp>

namespace ashlar::caching {

struct Below {
  void* self;
  Status (*call)(void* self, Io& io) noexcept;
  const Geometry& geometry;
  fileops::ByteLimit::User& user;  // whose buffers are those that the call takes

  Status next(Io& io) const noexcept { return call(self, io); }
  Status next(Io&& io) const noexcept { return call(self, io); }

  // Of any length. `parent`: the request that it is for.
  Status read(const Io& parent, std::uint64_t offset, std::span<std::byte> into) const noexcept {
    while (!into.empty()) {
      const std::uint64_t n = at_most(into.size());
      if (const Status s = next(Io::read(parent, offset, into.first(n))); s.failed()) return s;
      offset += n;
      into = into.subspan(n);
    }
    return Status::success();
  }
  Status write(const Io& parent, std::uint64_t offset, std::span<const std::byte> from, Flags flags) const noexcept {
    while (!from.empty()) {
      const std::uint64_t n = at_most(from.size());
      if (const Status s = next(Io::write(parent, offset, from.first(n), flags)); s.failed()) return s;
      offset += n;
      from = from.subspan(n);
    }
    return Status::success();
  }

 private:
  // How much of `bytes` one request takes.
  std::uint64_t at_most(std::uint64_t bytes) const noexcept {
    const std::uint64_t most = geometry.maximum / geometry.minimum * geometry.minimum;
    return most != 0 ? std::min(bytes, most) : bytes;
  }
};

}  // namespace ashlar::caching
