#include "protocol/sparse_read.hpp"

#include <algorithm>
#include <cstring>

namespace ashlar::protocol {
namespace {

// Zeroes shorter than this go as data: the chunk that tells of them would be longer.
constexpr std::uint32_t least_hole = 64;

// The data behind a hole move forward, to behind its chunk and a header of their own. These must fit into the room that
// the hole leaves, or they would be written over data not yet moved.
constexpr bool holes_leave_room() {
  for (const ReplyStyle& style : reply_styles)
    if (style.chunked() && style.hole_size() + style.data_header_size() > least_hole) return false;
  return true;
}
static_assert(holes_leave_room());

bool is_hole(const ReadSegment& segment) { return segment.zero && segment.length >= least_hole; }

}  // namespace

std::int32_t ReadSegments::add(void* self, std::uint64_t length, std::uint32_t state) noexcept {
  return static_cast<ReadSegments*>(self)->add(length, (state & state_zero) != 0) ? 0 : 1;
}

bool ReadSegments::add(std::uint64_t bytes, bool zero) {
  const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, wanted_ - total_));
  if (length == 0) return total_ < wanted_;
  if (count_ == 0 || list_[count_ - 1].zero != zero) {
    if (count_ == list_.size()) {
      too_many_ = true;
      return false;
    }
    list_[count_++] = {0, zero};
  }
  list_[count_ - 1].length += length;
  total_ += length;
  return total_ < wanted_;
}

std::size_t lay_out_sparse(const ReplyStyle& style, const Request& request, std::span<const ReadSegment> segments,
                           std::byte* out) {
  std::byte* const start = out;
  std::byte* from = out + style.data_header_size();
  std::uint64_t offset = request.offset;
  const std::uint64_t end = offset + request.length;
  for (std::size_t i = 0; i < segments.size();) {
    std::uint32_t length = 0;
    if (is_hole(segments[i])) {
      length = segments[i++].length;
      out += style.put_hole(out, request, offset, length, offset + length == end);
    } else {
      for (; i < segments.size() && !is_hole(segments[i]); ++i) {
        if (segments[i].zero) std::memset(from + length, 0, segments[i].length);
        length += segments[i].length;
      }
      std::byte* const to = out + style.data_header_size();
      if (to != from) std::memmove(to, from, length);
      style.put_data_header(out, request, offset, length, offset + length == end);
      out = to + length;
    }
    from += length;
    offset += length;
  }
  return static_cast<std::size_t>(out - start);
}

}  // namespace ashlar::protocol
