// Map: where each block of the disk is. Two bits a block.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "words.hpp"

enum class Where : unsigned {
  base = 0,      // in the layer below
  overlay = 1,   // in the store
  hole = 2,      // nowhere: it reads as zeroes
  reserved = 3,  // likewise, with room for it in the store
};
inline constexpr bool takes_room(Where where) { return where == Where::overlay || where == Where::reserved; }
inline constexpr bool is_zero(Where where) { return where == Where::hole || where == Where::reserved; }

// Memory is used for what is not in the base alone. [any thread; a block is changed by one thread at a time]
class Map {
 public:
  static constexpr std::uint64_t page_bytes = 4096;
  static constexpr std::uint64_t blocks_of_page = page_bytes * 4;

  // Throws std::system_error: out of memory.
  explicit Map(std::uint64_t blocks);

  std::uint64_t blocks() const { return blocks_; }
  // In whole pages.
  std::uint64_t bytes() const { return bytes_; }
  Where at(std::uint64_t block) const;
  void set(std::uint64_t block, Where where);
  // Blocks that are at one place, up to `end`.
  struct Run {
    Where where;
    std::uint64_t end;  // behind `begin`, whatever changes meanwhile
  };
  // Where the block at `begin` is, and the first one behind it, up to `end`, that is elsewhere. Place and end belong
  // together: who asks for them one after the other may get the end of one run with the place of another.
  Run run(std::uint64_t begin, std::uint64_t end) const;
  // How many blocks take room in the store.
  std::uint64_t count_room() const;

  bool is_clear() const {
    if (blocks_ == 0) return true;
    const Run first = run(0, blocks_);
    return first.where == Where::base && first.end == blocks_;
  }

  // A page as it is kept in a file. load(): before the first request.
  void save(std::uint64_t page, std::span<std::byte> into) const;
  void load(std::uint64_t page, std::span<const std::byte> from);
  std::uint64_t pages() const { return bytes_ / page_bytes; }
  // All blocks are in the base again. While no request runs.
  void clear() { words_.clear(); }

 private:
  static constexpr std::uint64_t blocks_of_word = 32;
  std::uint64_t word(std::uint64_t index) const { return words_[index].load(std::memory_order_acquire); }

  const std::uint64_t blocks_, bytes_;
  Words words_;
};
