// What the reads and writes of ashlar.blocking/1 are where they just block. (abi.h, ASHLAR_BLOCKING_ID)
#pragma once
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace ashlar::rules {

// preadv2(2) and pwritev2(2) with one buffer. Return how many bytes, or a negative errno number. [any thread]
inline std::int64_t read_blocking(int fd, void* into, std::size_t length, std::uint64_t offset, int flags) noexcept {
  const iovec part{into, length};
  const auto n = ::preadv2(fd, &part, 1, static_cast<off_t>(offset), flags);
  return n < 0 ? -errno : n;
}
inline std::int64_t write_blocking(int fd, const void* from, std::size_t length, std::uint64_t offset,
                                   int flags) noexcept {
  const iovec part{const_cast<void*>(from), length};
  const auto n = ::pwritev2(fd, &part, 1, static_cast<off_t>(offset), flags);
  return n < 0 ? -errno : n;
}

}  // namespace ashlar::rules
