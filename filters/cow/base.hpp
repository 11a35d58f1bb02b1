// Base: the layers below, as one call sees them, which are only read; and how their contents are recognised.
#pragma once
#include <ashlar/io.hpp>
#include <cstdint>
#include <fileops/byte_limit.hpp>
#include <span>

struct Base {
  void* self;
  ashlar::Status (*call)(void* self, ashlar::Io& io) noexcept;
  std::uint64_t size;     // bytes
  std::uint32_t minimum;  // as in Geometry
  std::uint32_t maximum;  // likewise; 0: no limit
  bool nowait;            // whether it knows Flag::nowait
  // Whose buffers are those that the call takes.
  ashlar::fileops::ByteLimit::User& user;
  // What makes a write there durable, where no flush does.
  ashlar::Flags durable = {};

  ashlar::Status next(ashlar::Io& io) const noexcept { return call(self, io); }
  ashlar::Status next(ashlar::Io&& io) const noexcept { return call(self, io); }
  // How much of `bytes` one request takes.
  std::uint64_t at_most(std::uint64_t bytes) const noexcept {
    return maximum != 0 && bytes > maximum ? maximum / minimum * minimum : bytes;
  }
  // On whole blocks, of any length. `parent`: the request that it is for. `flags`: NOWAIT, or none.
  ashlar::Status read(const ashlar::Io& parent, std::uint64_t offset, std::span<std::byte> into,
                      ashlar::Flags flags = {}) const noexcept;

  // Of the first and the last MiB and of 64 blocks between. Throws std::system_error when it cannot be read.
  std::uint64_t fingerprint() const;
};
