// Codec: numbers, requests from bytes, headers of replies to bytes; big-endian. No allocation, no check of what a
// number means (see admission.hpp). The put_ functions write to `out` and return the bytes written. [any thread]
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "protocol/wire.hpp"

namespace ashlar::protocol {

inline constexpr bool swap_bytes = std::endian::native == std::endian::little;
constexpr std::uint16_t big_endian(std::uint16_t v) { return swap_bytes ? __builtin_bswap16(v) : v; }
constexpr std::uint32_t big_endian(std::uint32_t v) { return swap_bytes ? __builtin_bswap32(v) : v; }
constexpr std::uint64_t big_endian(std::uint64_t v) { return swap_bytes ? __builtin_bswap64(v) : v; }

template <class T>
inline T get(const std::byte* in) {
  T v;
  std::memcpy(&v, in, sizeof v);
  return big_endian(v);
}
inline std::uint16_t get16(const std::byte* in) { return get<std::uint16_t>(in); }
inline std::uint32_t get32(const std::byte* in) { return get<std::uint32_t>(in); }
inline std::uint64_t get64(const std::byte* in) { return get<std::uint64_t>(in); }

template <class T>
inline std::size_t put(std::byte* out, T v) {
  v = big_endian(v);
  std::memcpy(out, &v, sizeof v);
  return sizeof v;
}
inline std::size_t put16(std::byte* out, std::uint16_t v) { return put(out, v); }
inline std::size_t put32(std::byte* out, std::uint32_t v) { return put(out, v); }
inline std::size_t put64(std::byte* out, std::uint64_t v) { return put(out, v); }

// "Request message"
struct Request {
  std::uint16_t flags = 0;   // cmd_flag_*
  std::uint16_t type = 0;    // cmd_*
  std::uint64_t cookie = 0;  // opaque, echoed in the reply
  std::uint64_t offset = 0;  // bytes
  std::uint32_t length = 0;  // bytes
};

// Reads the request_size bytes at `in`. False: wrong magic; the stream is out of step and cannot be used further.
inline bool decode_request(const std::byte* in, Request& out) {
  out.flags = get16(in + 4);
  out.type = get16(in + 6);
  out.cookie = get64(in + 8);
  out.offset = get64(in + 16);
  out.length = get32(in + 24);
  return get32(in) == request_magic;
}

// "Simple reply message". `error`: error_*.
inline std::size_t put_simple_reply(std::byte* out, std::uint64_t cookie, std::uint32_t error) {
  put32(out, simple_reply_magic);
  put32(out + 4, error);
  put64(out + 8, cookie);
  return simple_reply_size;
}

// "Structured reply chunk message": the header before `length` bytes of payload.
inline std::size_t put_chunk(std::byte* out, std::uint16_t flags, std::uint16_t type, std::uint64_t cookie,
                             std::uint32_t length) {
  put32(out, structured_reply_magic);
  put16(out + 4, flags);
  put16(out + 6, type);
  put64(out + 8, cookie);
  put32(out + 16, length);
  return chunk_header_size;
}

}  // namespace ashlar::protocol
