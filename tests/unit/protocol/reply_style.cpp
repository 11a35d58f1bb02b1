#include "protocol/reply_style.hpp"

#include "encoded.hpp"

using namespace ashlar;
using namespace ashlar::protocol;
using ashlar::protocol::test::encoded;

namespace {

constexpr ReplyStyle simple(ReplyStyle::Kind::simple), structured(ReplyStyle::Kind::structured);
constexpr Request request{
    .flags = 1, .type = 2, .cookie = 0x1122334455667788, .offset = 0x2222222222222222, .length = 0x33333333};
const std::string simple_head = "67446698", chunk_head = "668e33ef", cookie = "1122334455667788";

template <class Put>
std::string put(Put put) {
  return encoded(put);
}

}  // namespace

TEST_CASE("reply style: success") {
  for (Op op : {Op::read, Op::write, Op::flush, Op::trim, Op::zero, Op::cache, Op::extents}) {
    CAPTURE(name(op));
    CHECK(put([&](std::byte* out) { return simple.put_success(out, request, op); }) ==
          simple_head + "00000000" + cookie);
    // Simple replies remain for what brings nothing.
    const std::string chunk = chunk_head + "0001" + "0000" + cookie + "00000000";
    CHECK(put([&](std::byte* out) { return structured.put_success(out, request, op); }) ==
          (op == Op::read || op == Op::extents ? chunk : simple_head + "00000000" + cookie));
  }
}

TEST_CASE("reply style: an error, with its text where there is room for one") {
  CHECK(put([](std::byte* out) { return simple.put_error(out, request, error_enospc, "no"); }) ==
        simple_head + "0000001c" + cookie);
  CHECK(put([](std::byte* out) { return structured.put_error(out, request, error_einval, "no"); }) ==
        chunk_head + "0001" + "8001" + cookie + "00000008" + "00000016" + "0002" + "6e6f");
  CHECK(put([](std::byte* out) { return structured.put_error(out, request, error_eio, {}); }) ==
        chunk_head + "0001" + "8001" + cookie + "00000006" + "00000005" + "0000");
}

TEST_CASE("reply style: an error's text is cut at a character") {
  const std::string text(max_error_text - 1, 'x');
  const auto size = [](std::string_view t) {
    return put([&](std::byte* out) { return structured.put_error(out, request, error_eio, t); }).size() / 2;
  };
  CHECK(size(text + "x") == structured.error_room());
  CHECK(size(text + "xxxxxxx") == structured.error_room());
  CHECK(size(text + "€") == structured.error_room() - 1);
}

TEST_CASE("reply style: what precedes data") {
  const auto header = [](ReplyStyle style, bool last) {
    return put([&](std::byte* out) { return style.put_data_header(out, request, 0x10000, 4096, last); });
  };
  CHECK(header(simple, true) == simple_head + "00000000" + cookie);
  CHECK(header(simple, false) == simple_head + "00000000" + cookie);
  CHECK(header(structured, false) == chunk_head + "0000" + "0001" + cookie + "00001008" + "0000000000010000");
  CHECK(header(structured, true) == chunk_head + "0001" + "0001" + cookie + "00001008" + "0000000000010000");
}

TEST_CASE("reply style: what follows data: their end, or an error") {
  const auto tail = [](ReplyStyle style, std::uint32_t error) {
    return put([&](std::byte* out) { return style.put_tail(out, request, error, "no"); });
  };
  CHECK(tail(simple, error_none).empty());
  CHECK(tail(simple, error_eio).empty());
  CHECK(tail(structured, error_none) == chunk_head + "0001" + "0000" + cookie + "00000000");
  CHECK(tail(structured, error_eio) ==
        chunk_head + "0001" + "8001" + cookie + "00000008" + "00000005" + "0002" + "6e6f");
}

TEST_CASE("reply style: a hole") {
  const auto hole = [](bool last) {
    return put([&](std::byte* out) { return structured.put_hole(out, request, 0x123456789a, 0x2000, last); });
  };
  CHECK(hole(true) == chunk_head + "0001" + "0002" + cookie + "0000000c" + "000000123456789a" + "00002000");
  CHECK(hole(false) == chunk_head + "0000" + "0002" + cookie + "0000000c" + "000000123456789a" + "00002000");
}

TEST_CASE("reply style: block status") {
  CHECK(put([](std::byte* out) {
          std::size_t n = structured.put_status_header(out, request, 1, 2);
          n += structured.put_status_descriptor(out + n, 0x10000, 0);
          return n + structured.put_status_descriptor(out + n, 0x1000, state_hole | state_zero);
        }) == chunk_head + "0001" + "0005" + cookie + "00000014" + "00000001" + "00010000" + "00000000" + "00001000" +
                  "00000003");
}

TEST_CASE("reply style: sizes that callers reserve are those that are written") {
  CHECK_FALSE(simple.chunked());
  CHECK(structured.chunked());
  CHECK(simple.data_header_size() == 16);
  CHECK(structured.data_header_size() == 28);
  CHECK(simple.error_room() == 16);
  std::array<std::byte, 512> out;
  for (const ReplyStyle& style : reply_styles) {
    CHECK(style.put_data_header(out.data(), request, 0, 1, true) == style.data_header_size());
    CHECK(style.put_error(out.data(), request, error_eio, std::string(1000, 'x')) == style.error_room());
    CHECK(style.error_room() <= max_error_size);
    CHECK(style.data_header_size() <= max_error_size);
    CHECK(style.put_tail(out.data(), request, error_none, {}) <= max_error_size);
    if (!style.chunked()) continue;
    CHECK(style.put_hole(out.data(), request, 0, 1, true) == style.hole_size());
    CHECK(style.hole_size() <= max_error_size);
    CHECK(style.put_status_header(out.data(), request, 0, 1) == style.status_header_size());
    CHECK(style.put_status_descriptor(out.data(), 1, 0) == style.status_descriptor_size());
  }
}
