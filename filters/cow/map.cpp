#include "map.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace {

constexpr std::uint64_t every_block = 0x5555555555555555;  // times a state: a word of blocks that all have it

}  // namespace

Map::Map(std::uint64_t blocks)
    : blocks_(blocks),
      bytes_((blocks / blocks_of_page + (blocks % blocks_of_page != 0)) * page_bytes),
      words_(bytes_ / sizeof(std::uint64_t)) {}

Where Map::at(std::uint64_t block) const {
  return static_cast<Where>(word(block / blocks_of_word) >> (block % blocks_of_word * 2) & 3);
}

// Its neighbours may change meanwhile.
void Map::set(std::uint64_t block, Where where) {
  const std::atomic_ref one = words_[block / blocks_of_word];
  const auto shift = block % blocks_of_word * 2;
  std::uint64_t before = one.load(std::memory_order_relaxed);
  while (!one.compare_exchange_weak(
      before, (before & ~(std::uint64_t{3} << shift)) | static_cast<std::uint64_t>(where) << shift,
      std::memory_order_acq_rel)) {
  }
}

Map::Run Map::run(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t blocks = word(begin / blocks_of_word);
  const auto where = static_cast<Where>(blocks >> (begin % blocks_of_word * 2) & 3);
  const std::uint64_t all = every_block * static_cast<std::uint64_t>(where);
  for (std::uint64_t block = begin;;) {
    const std::uint64_t other = (blocks ^ all) >> (block % blocks_of_word * 2);
    if (other != 0) return {where, std::min(block + static_cast<std::uint64_t>(std::countr_zero(other)) / 2, end)};
    block += blocks_of_word - block % blocks_of_word;
    if (block >= end) return {where, end};
    blocks = word(block / blocks_of_word);
  }
}

std::uint64_t Map::count_room() const {
  std::uint64_t n = 0;  // overlay and reserved are those with the low bit
  for (std::uint64_t i = 0; i != bytes_ / 8; ++i) n += static_cast<std::uint64_t>(std::popcount(word(i) & every_block));
  return n;
}

void Map::save(std::uint64_t page, std::span<std::byte> into) const {
  constexpr std::uint64_t words = page_bytes / 8;
  for (std::uint64_t i = 0; i != words; ++i) {
    const std::uint64_t one = word(page * words + i);
    std::memcpy(into.data() + i * 8, &one, 8);
  }
}

void Map::load(std::uint64_t page, std::span<const std::byte> from) {
  std::memcpy(words_.data(page * (page_bytes / 8)), from.data(), page_bytes);
}
