#include "protocol/codec.hpp"

#include <array>

#include "encoded.hpp"

using namespace ashlar::protocol;
using ashlar::protocol::test::encoded;

namespace {

constexpr std::uint64_t cookie = 0x1122334455667788;

std::array<std::byte, request_size> request_bytes() {
  constexpr unsigned char bytes[request_size] = {
      0x25, 0x60, 0x95, 0x13,                          // NBD_REQUEST_MAGIC
      0x00, 0x12,                                      // flags
      0x00, 0x06,                                      // WRITE_ZEROES
      0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,  // cookie
      0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,  // offset
      0xf0, 0xe0, 0xd0, 0xc0,                          // length
  };
  std::array<std::byte, request_size> out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::byte{bytes[i]};
  return out;
}

}  // namespace

TEST_CASE("codec: numbers are big-endian, at any alignment") {
  CHECK(encoded([](std::byte* out) { return put16(out, 0x1234); }) == "1234");
  CHECK(encoded([](std::byte* out) { return 1 + put32(out + 1, 0x12345678); }) == "ee12345678");
  CHECK(encoded([](std::byte* out) { return put64(out, cookie); }) == "1122334455667788");
  const auto bytes = request_bytes();
  CHECK(get16(bytes.data() + 1) == 0x6095);
  CHECK(get32(bytes.data() + 1) == 0x60951300);
  CHECK(get64(bytes.data() + 15) == 0x8801020304050607);
}

TEST_CASE("codec: a request is read field by field") {
  Request request;
  REQUIRE(decode_request(request_bytes().data(), request));
  CHECK(request.flags == 0x12);
  CHECK(request.type == 6);
  CHECK(request.cookie == cookie);
  CHECK(request.offset == 0x0102030405060708);
  CHECK(request.length == 0xf0e0d0c0);
}

TEST_CASE("codec: one wrong bit in a request's magic is seen") {
  for (unsigned bit = 0; bit < 32; ++bit) {
    auto bytes = request_bytes();
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    Request request;
    CHECK_FALSE(decode_request(bytes.data(), request));
  }
}

TEST_CASE("codec: simple reply") {
  CHECK(encoded([](std::byte* out) { return put_simple_reply(out, cookie, 0); }) ==
        "67446698"
        "00000000"
        "1122334455667788");
  CHECK(encoded([](std::byte* out) { return put_simple_reply(out, cookie, error_enospc); }) ==
        "67446698"
        "0000001c"
        "1122334455667788");
}

TEST_CASE("codec: chunk without payload") {
  CHECK(encoded([](std::byte* out) { return put_chunk(out, reply_flag_done, reply_type_none, cookie, 0); }) ==
        "668e33ef"
        "0001"
        "0000"
        "1122334455667788"
        "00000000");
}

TEST_CASE("codec: sizes that callers reserve are those that are written") {
  std::array<std::byte, 64> out;
  CHECK(put_simple_reply(out.data(), 0, 0) == simple_reply_size);
  CHECK(simple_reply_size == 16);
  CHECK(put_chunk(out.data(), 0, 0, 0, 0) == chunk_header_size);
  CHECK(chunk_header_size == 20);
}
