// BlockExtents: makes extents of any length into extents of whole blocks that start where the client asked. Pure.
#pragma once
#include <algorithm>
#include <ashlar/io.hpp>

#include "blocks.hpp"

// Takes extents from the start of a block on; gives to `asked` those from `from` on. A block of several extents is a
// hole, or zero, only if all of it is.
class BlockExtents {
 public:
  BlockExtents(const Blocks& blocks, std::uint64_t from, const ashlar_extent_sink& asked, bool only_one)
      : blocks_(blocks), from_(from), asked_(asked), only_one_(only_one), at_(blocks.down(from)) {}

  // Returns false when no more is wanted.
  bool add(std::uint64_t bytes, ashlar::ExtentState state) {
    bytes = std::min(bytes, blocks_.size - at_);
    while (bytes != 0 && more_) {
      const bool inside = at_ % blocks_.block != 0;
      const std::uint64_t block_end = blocks_.up(at_ + 1);
      if (!inside && blocks_.on_edge(at_ + bytes)) {
        give(at_ + bytes, state);
        break;
      }
      const std::uint64_t whole = inside ? at_ : blocks_.down(at_ + bytes);
      if (whole > at_) {
        bytes -= whole - at_;
        give(whole, state);
        continue;
      }
      partial_ = inside ? partial_ & state : state;
      const std::uint64_t n = std::min(bytes, block_end - at_);
      bytes -= n;
      if (at_ + n == block_end) give(block_end, partial_);
      else at_ += n;
    }
    return more_ && at_ != blocks_.size;
  }

  // Where the next extent is to start.
  std::uint64_t at() const { return at_; }
  // Whether the client has been told something, so that no more need be asked.
  bool answered() const { return given_; }
  // When the layer below has nothing more to say: if that is less than a block, the client still gets something.
  void finish() {
    if (more_ && !given_ && at_ % blocks_.block != 0) give(at_, partial_);
  }

 private:
  // The extent ends at `end` and starts behind the one before.
  void give(std::uint64_t end, ashlar::ExtentState state) {
    at_ = end;
    if (end <= from_) return;
    const std::uint64_t begin = std::max(from_, given_to_);
    given_to_ = end;
    given_ = true;
    more_ = asked_.add(asked_.self, end - begin, static_cast<std::uint32_t>(state.bits())) == 0 && !only_one_;
  }

  const Blocks blocks_;
  const std::uint64_t from_;
  const ashlar_extent_sink& asked_;
  const bool only_one_;
  std::uint64_t at_;            // where the next extent from below starts
  std::uint64_t given_to_ = 0;  // how far the client has been told
  bool given_ = false;
  bool more_ = true;
  ashlar::ExtentState partial_;  // of the block that holds at_, so far
};
