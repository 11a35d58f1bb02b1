// ReplyStyle: what replies look like on the wire, as agreed on in the handshake: how long their parts are, and how they
// are written. One more style of replies is one more Kind here. ("Simple reply message", "Structured reply chunk
// message")
#pragma once
#include <ashlar/ops.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "protocol/codec.hpp"
#include "protocol/text.hpp"
#include "protocol/wire.hpp"

namespace ashlar::protocol {

// Bytes of the text of an error, which is cut to that: enough for a line, and a reply stays small.
inline constexpr std::size_t max_error_text = 256;

// The put_ functions write a part of the reply to `request` at `out` and return its size in bytes. [any thread]
class ReplyStyle {
 public:
  enum class Kind : std::uint8_t { simple, structured };
  constexpr explicit ReplyStyle(Kind kind) : kind_(kind) {}

  // Whether a reply comes in chunks, of which each tells what it is: data, a hole, or an error behind all of them.
  constexpr bool chunked() const { return kind_ != Kind::simple; }

  // Bytes of: what precedes data; a hole; what precedes descriptors; a descriptor; the longest reply without data.
  constexpr std::size_t data_header_size() const { return chunked() ? header_size() + 8 : header_size(); }
  constexpr std::size_t hole_size() const { return header_size() + 12; }
  constexpr std::size_t status_header_size() const { return header_size() + 4; }
  constexpr std::size_t status_descriptor_size() const { return 8; }
  constexpr std::size_t error_room() const { return chunked() ? header_size() + 6 + max_error_text : header_size(); }

  // A whole reply: success, of a request that brings nothing.
  std::size_t put_success(std::byte* out, const Request& request, Op op) const {
    // What would bring data or descriptors must not be answered by a simple reply, even if it brings none.
    const bool needs_chunk = chunked() && (op == Op::read || op == Op::extents);
    if (needs_chunk) return put_header(out, reply_flag_done, reply_type_none, request, 0);
    return put_simple_reply(out, request.cookie, error_none);
  }

  // A whole reply, or its last part: `error`, which is not error_none.
  std::size_t put_error(std::byte* out, const Request& request, std::uint32_t error, std::string_view text) const {
    if (!chunked()) return put_simple_reply(out, request.cookie, error);
    text = cut_text(text, max_error_text);
    std::byte* const start = out;
    out += put_header(out, reply_flag_done, reply_type_error, request, static_cast<std::uint32_t>(6 + text.size()));
    out += put32(out, error);
    out += put16(out, static_cast<std::uint16_t>(text.size()));
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return static_cast<std::size_t>(out - start) + text.size();
  }

  // What precedes `bytes` (1..0xfffffff7) bytes of a read's data that stand at `offset`. `last`: nothing follows them.
  // A reply that is not chunked has one such part for all its data.
  std::size_t put_data_header(std::byte* out, const Request& request, std::uint64_t offset, std::uint32_t bytes,
                              bool last) const {
    if (!chunked()) return put_simple_reply(out, request.cookie, error_none);
    const std::size_t n = put_header(out, flags(last), reply_type_offset_data, request, bytes + 8);
    return n + put64(out + n, offset);
  }

  // What follows data of which the last were not told to be: their end, or the error that reading them ended with.
  // Nothing at all in a reply that is not chunked.
  std::size_t put_tail(std::byte* out, const Request& request, std::uint32_t error, std::string_view text) const {
    if (!chunked()) return 0;
    if (error != error_none) return put_error(out, request, error, text);
    return put_header(out, reply_flag_done, reply_type_none, request, 0);
  }

  // Chunked only: `bytes` (> 0) zeroes of a read at `offset`.
  std::size_t put_hole(std::byte* out, const Request& request, std::uint64_t offset, std::uint32_t bytes,
                       bool last) const {
    std::size_t n = put_header(out, flags(last), reply_type_offset_hole, request, 12);
    n += put64(out + n, offset);
    return n + put32(out + n, bytes);
  }

  // Chunked only: what precedes `descriptors` (1..max_status_descriptors) descriptors of metadata context `context`.
  std::size_t put_status_header(std::byte* out, const Request& request, std::uint32_t context,
                                std::uint32_t descriptors) const {
    const auto bytes = static_cast<std::uint32_t>(4 + status_descriptor_size() * descriptors);
    const std::size_t n = put_header(out, reply_flag_done, reply_type_block_status, request, bytes);
    return n + put32(out + n, context);
  }

  // One descriptor: `length` (> 0) bytes in `state` (state_*).
  std::size_t put_status_descriptor(std::byte* out, std::uint32_t length, std::uint32_t state) const {
    const std::size_t n = put32(out, length);
    return n + put32(out + n, state);
  }

 private:
  constexpr std::size_t header_size() const { return chunked() ? chunk_header_size : simple_reply_size; }
  static constexpr std::uint16_t flags(bool last) { return last ? reply_flag_done : std::uint16_t{0}; }
  // The header of a chunk with `length` bytes of payload.
  std::size_t put_header(std::byte* out, std::uint16_t flags, std::uint16_t type, const Request& request,
                         std::uint32_t length) const {
    return put_chunk(out, flags, type, request.cookie, length);
  }

  Kind kind_;
};

inline constexpr ReplyStyle reply_styles[] = {ReplyStyle(ReplyStyle::Kind::simple),
                                              ReplyStyle(ReplyStyle::Kind::structured)};

// Room for the longest reply without data, or the longest part of one, whatever the style.
inline constexpr std::size_t max_error_size = [] {
  std::size_t most = 0;
  for (const ReplyStyle& style : reply_styles)
    for (std::size_t bytes : {style.error_room(), style.data_header_size(), style.hole_size()})
      if (bytes > most) most = bytes;
  return most;
}();

}  // namespace ashlar::protocol
