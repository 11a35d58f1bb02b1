// OtherBytes: what a replay writes where the trace does not have the bytes: no zeroes, nothing that a disk could make
// smaller, and nothing that an earlier write, or replay, has left there, so that a write that is lost is seen.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace ashlar::host::traces {

class OtherBytes {
 public:
  // `seed`: another one for each replay.
  explicit OtherBytes(std::uint64_t seed = 0) : seed_(seed) {}

  // What request `number` of the replay writes from `offset` of the disk on. A byte depends on its own place, and not
  // on where the request begins.
  void fill(std::span<std::byte> bytes, std::uint64_t offset, std::uint64_t number) const {
    for (std::size_t at = 0; at < bytes.size();) {
      const std::uint64_t within = (offset + at) % sizeof(std::uint64_t);
      const std::size_t n = std::min<std::size_t>(sizeof(std::uint64_t) - within, bytes.size() - at);
      const std::uint64_t word = word_at((offset + at) / sizeof(std::uint64_t), number);
      std::memcpy(&bytes[at], reinterpret_cast<const std::byte*>(&word) + within, n);
      at += n;
    }
  }

  // The first of `bytes` that is not what it writes; their number: none.
  std::size_t mismatch(std::span<const std::byte> bytes, std::uint64_t offset, std::uint64_t number) const {
    std::vector<std::byte> wanted(bytes.size());
    fill(wanted, offset, number);
    return static_cast<std::size_t>(std::mismatch(bytes.begin(), bytes.end(), wanted.begin()).first - bytes.begin());
  }

 private:
  std::uint64_t word_at(std::uint64_t place, std::uint64_t number) const {
    std::uint64_t word = (place + 1) * 0x9e3779b97f4a7c15 + (seed_ + number) * 0xd6e8feb86659fd93;
    word = (word ^ (word >> 31)) * 0xbf58476d1ce4e5b9;
    return word ^ (word >> 29);
  }

  std::uint64_t seed_;
};

}  // namespace ashlar::host::traces
