// StatusReply: the reply to a BLOCK_STATUS, written while the layers tell their extents.
#pragma once
#include <ashlar/abi.h>

#include <cstddef>
#include <cstdint>

#include "protocol/reply_style.hpp"

namespace ashlar::protocol {

// A descriptor's state is an extent's, bit for bit.
static_assert(ASHLAR_HOLE == state_hole && ASHLAR_ZERO == state_zero);

class StatusReply {
 public:
  // Descriptors in one reply; the text allows to answer for less than was asked.
  static constexpr std::uint32_t most = 8192;
  static_assert(most <= max_status_descriptors);
  static constexpr std::size_t room(const ReplyStyle& style) {
    return style.status_header_size() + most * style.status_descriptor_size();
  }

  // Writes to `out`, which has room(style) bytes; `style` is chunked. `context`: the id of base:allocation. `one`: a
  // single descriptor is wanted. Keeps its address.
  StatusReply(const ReplyStyle& style, const Request& request, std::uint32_t context, bool one, std::byte* out)
      : style_(style), request_(request), context_(context), most_(one ? 1 : most), out_(out) {}
  StatusReply(const StatusReply&) = delete;
  StatusReply& operator=(const StatusReply&) = delete;

  // Takes extents from the start of the request on. Neighbours alike become one descriptor, what lies past the end of
  // the request is cut off.
  const ashlar_extent_sink* sink() const { return &sink_; }
  // Likewise; returns whether more is wanted.
  bool add(std::uint64_t length, std::uint32_t state);
  // Ends the reply. Returns its size in bytes, 0 if no extent was told.
  std::size_t finish();

 private:
  static std::int32_t add(void* self, std::uint64_t length, std::uint32_t state) noexcept;
  void put_last();

  const ReplyStyle style_;
  const Request& request_;
  const std::uint32_t context_;
  const std::uint32_t most_;
  std::byte* const out_;
  ashlar_extent_sink sink_{this, &StatusReply::add};
  std::uint32_t count_ = 0;               // descriptors written
  std::uint32_t total_ = 0;               // bytes told, of those asked
  std::uint32_t length_ = 0, state_ = 0;  // the descriptor under way; length 0: none
  bool full_ = false;
};

}  // namespace ashlar::protocol
