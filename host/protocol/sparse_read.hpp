// Sparse reads: what the layers tell of a read's zeroes, and the reply that sends them as holes.
#pragma once
#include <ashlar/abi.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/reply_style.hpp"

namespace ashlar::protocol {

struct ReadSegment {
  std::uint32_t length;  // bytes
  bool zero;             // zeroes, which need not stand in the data
};

// Collects what the layers tell of a read of `wanted` bytes; keeps its address. Neighbours alike become one segment.
class ReadSegments {
 public:
  // Room that a large read should have: what takes more segments is better sent as it is.
  static constexpr std::size_t most = 1024;

  // `room`: for the segments; stays the caller's.
  ReadSegments(std::uint32_t wanted, std::span<ReadSegment> room) : wanted_(wanted), list_(room) {}
  ReadSegments(const ReadSegments&) = delete;
  ReadSegments& operator=(const ReadSegments&) = delete;

  const ashlar_extent_sink* sink() const { return &sink_; }
  std::span<const ReadSegment> list() const { return {list_.data(), count_}; }
  // Whether anything was told; whether what was told covers the read; whether there were more segments than room.
  bool told() const { return count_ != 0; }
  bool complete() const { return total_ == wanted_; }
  bool too_many() const { return too_many_; }
  bool all_zero() const { return complete() && count_ == 1 && list_[0].zero; }

 private:
  static std::int32_t add(void* self, std::uint64_t length, std::uint32_t state) noexcept;
  bool add(std::uint64_t bytes, bool zero);

  ashlar_extent_sink sink_{this, &ReadSegments::add};
  std::uint32_t wanted_, total_ = 0;
  std::size_t count_ = 0;
  bool too_many_ = false;
  const std::span<ReadSegment> list_;
};

// Lays out the reply to a read at `out`, with a hole for each long run of zeroes. The read's data stand as one piece at
// out + style.data_header_size(), and are moved. `style` is chunked, `segments` cover the read. Returns the bytes of
// the reply, no more than of one without holes.
std::size_t lay_out_sparse(const ReplyStyle& style, const Request& request, std::span<const ReadSegment> segments,
                           std::byte* out);

}  // namespace ashlar::protocol
