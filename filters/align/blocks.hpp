// Blocks: the arithmetic of a range over blocks. Pure.
#pragma once
#include <algorithm>
#include <cstdint>

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t length() const { return end - begin; }
  bool empty() const { return begin >= end; }
  friend bool operator==(Range, Range) = default;
};

// A device of `size` bytes cut into blocks of `block` bytes, a power of two. The last may be short.
struct Blocks {
  std::uint64_t block;
  std::uint64_t size;

  std::uint64_t down(std::uint64_t at) const { return at & ~(block - 1); }
  // The end of the block that holds the byte before `at`. Not past the size.
  std::uint64_t up(std::uint64_t at) const { return at > size - size % block ? size : (at + block - 1) & ~(block - 1); }
  bool on_edge(std::uint64_t at) const { return at % block == 0 || at == size; }
  bool aligned(Range r) const { return r.begin % block == 0 && on_edge(r.end); }

  // All blocks that `r` touches.
  Range outer(Range r) const { return {down(r.begin), up(r.end)}; }

  // `r` in three parts, each possibly empty: within the first block, whole blocks, within the last block. A range
  // within one block is all head.
  struct Parts {
    Range head, middle, tail;
    int count() const { return !head.empty() + !middle.empty() + !tail.empty(); }
  };
  Parts split(Range r) const {
    Parts p;
    p.head = {r.begin, r.begin % block == 0 ? r.begin : std::min(up(r.begin + 1), r.end)};
    const std::uint64_t whole = on_edge(r.end) ? r.end : down(r.end);
    p.middle = {p.head.end, std::max(p.head.end, whole)};
    p.tail = {p.middle.end, r.end};
    return p;
  }
};
