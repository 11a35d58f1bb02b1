#include "protocol/sparse_read.hpp"

#include <array>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace ashlar::protocol;

namespace {

constexpr ReplyStyle sparse_style(ReplyStyle::Kind::structured);
using Bytes = std::vector<std::byte>;

struct Run {
  std::uint64_t length;
  std::uint32_t state;
};

// With room of its own.
struct Segments : ReadSegments {
  explicit Segments(std::uint32_t wanted) : ReadSegments(wanted, own) {}
  std::array<ReadSegment, most> own;
};

// What the layers' callback answers: 0 to go on, 1 when no more is wanted.
std::int32_t tell(const ReadSegments& segments, std::uint64_t length, std::uint32_t state) {
  return segments.sink()->add(segments.sink()->self, length, state);
}

Bytes pattern(std::size_t count) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(1 + i * 7 % 255);
  return bytes;
}

struct Reading {
  Bytes data;  // holes as zeroes
  std::vector<std::uint32_t> holes;
  std::vector<std::uint32_t> pieces;
};

// Reads the chunks of the reply to `request`; throws where they do not make its range, whole and in order.
Reading reading(const Bytes& reply, const Request& request) {
  const auto require = [](bool promise, const char* what) {
    if (!promise) throw std::runtime_error(what);
  };
  Reading out;
  bool done = false;
  for (std::size_t at = 0; at < reply.size();) {
    require(!done, "a chunk behind the last");
    require(reply.size() - at >= chunk_header_size + 8, "cut off");
    const std::byte* chunk = reply.data() + at;
    const std::uint32_t length = get32(chunk + 16);
    require(get32(chunk) == structured_reply_magic && get64(chunk + 8) == request.cookie, "wrong header");
    require(reply.size() - at >= chunk_header_size + length, "cut off");
    require(get64(chunk + 20) == request.offset + out.data.size(), "wrong offset");
    done = (get16(chunk + 4) & reply_flag_done) != 0;
    if (get16(chunk + 6) == reply_type_offset_hole) {
      require(length == 12, "wrong hole");
      out.holes.push_back(get32(chunk + 28));
      out.data.resize(out.data.size() + out.holes.back());
    } else {
      require(get16(chunk + 6) == reply_type_offset_data && length > 8, "wrong chunk");
      out.pieces.push_back(length - 8);
      out.data.insert(out.data.end(), chunk + 28, chunk + 20 + length);
    }
    at += chunk_header_size + length;
  }
  require(done, "the last chunk does not say so");
  return out;
}

// The reply to a read of `data`, of which `segments` tell the zeroes.
Bytes laid_out(const Request& request, const ReadSegments& segments, const Bytes& data) {
  constexpr std::size_t guard = 64;
  Bytes memory(sparse_style.data_header_size() + data.size() + guard, std::byte{0xee});
  std::copy(data.begin(), data.end(), memory.begin() + static_cast<std::ptrdiff_t>(sparse_style.data_header_size()));
  const std::size_t bytes = lay_out_sparse(sparse_style, request, segments.list(), memory.data());
  REQUIRE(bytes <= sparse_style.data_header_size() + data.size());
  for (std::size_t i = memory.size() - guard; i < memory.size(); ++i) REQUIRE(memory[i] == std::byte{0xee});
  memory.resize(bytes);
  return memory;
}

}  // namespace

TEST_CASE("sparse read: what is told is merged and cut, and no more is wanted at the end") {
  Segments segments(100);
  CHECK_FALSE(segments.told());
  CHECK(tell(segments, 0, state_zero) == 0);
  CHECK_FALSE(segments.told());
  CHECK(tell(segments, 10, state_zero) == 0);
  CHECK(tell(segments, 20, state_zero | state_hole) == 0);
  CHECK_FALSE(segments.complete());
  CHECK(tell(segments, 30, state_hole) == 0);  // not known to be zero
  CHECK(tell(segments, 10, 0xf0) == 0);
  CHECK(tell(segments, UINT64_MAX, state_zero) == 1);
  CHECK(tell(segments, 1, 0) == 1);
  CHECK(segments.complete());
  CHECK_FALSE(segments.all_zero());
  REQUIRE(segments.list().size() == 3);
  CHECK(segments.list()[0].length == 30);
  CHECK(segments.list()[0].zero);
  CHECK(segments.list()[1].length == 40);
  CHECK_FALSE(segments.list()[1].zero);
  CHECK(segments.list()[2].length == 30);
}

TEST_CASE("sparse read: only zeroes all over are all zero") {
  Segments zeroes(100);
  tell(zeroes, 60, state_zero);
  CHECK_FALSE(zeroes.all_zero());
  tell(zeroes, 40, state_zero | state_hole);
  CHECK(zeroes.all_zero());
  Segments data(100);
  tell(data, 100, state_hole);
  CHECK_FALSE(data.all_zero());
}

TEST_CASE("sparse read: as many segments as are kept, and one more") {
  Segments segments(1 << 20);
  for (std::size_t i = 0; i < ReadSegments::most; ++i) REQUIRE(tell(segments, 64, i % 2 * state_zero) == 0);
  CHECK_FALSE(segments.too_many());
  CHECK(tell(segments, 64, (ReadSegments::most - 1) % 2 * state_zero) == 0);  // like the last
  CHECK(tell(segments, 64, ReadSegments::most % 2 * state_zero) == 1);
  CHECK(segments.too_many());
}

TEST_CASE("sparse read: a hole alone, and data alone") {
  const Request request{.cookie = 7, .offset = 1000, .length = 4096};
  const Bytes data = pattern(4096);
  Segments hole(4096), all(4096);
  tell(hole, 4096, state_zero);
  tell(all, 4096, 0);
  const Reading sparse = reading(laid_out(request, hole, data), request),
                full = reading(laid_out(request, all, data), request);
  CHECK(sparse.holes == std::vector<std::uint32_t>{4096});
  CHECK(sparse.pieces.empty());
  CHECK(full.data == data);
  CHECK(full.pieces == std::vector<std::uint32_t>{4096});
}

TEST_CASE("sparse read: short zeroes go as data, without a chunk of their own") {
  const Request request{.cookie = 7, .offset = 1000, .length = 200};
  Segments segments(200);
  tell(segments, 70, 0);
  tell(segments, 60, state_zero);
  tell(segments, 70, 0);
  Bytes wanted = pattern(200);
  std::fill(wanted.begin() + 70, wanted.begin() + 130, std::byte{});
  const Reading out = reading(laid_out(request, segments, pattern(200)), request);
  CHECK(out.data == wanted);
  CHECK(out.pieces == std::vector<std::uint32_t>{200});
}

TEST_CASE("sparse read: any shape gives the data, with each long hole as a chunk of its own") {
  std::mt19937 random(20260101);
  constexpr std::uint32_t lengths[] = {1, 27, 28, 29, 31, 32, 33, 60, 63, 64, 65, 66, 91, 92, 93, 96, 127, 128, 4096};
  for (int round = 0; round < 4000; ++round) {
    std::vector<Run> extents(1 + random() % 12);
    std::uint32_t total = 0;
    for (Run& e : extents) {
      e = {lengths[random() % std::size(lengths)], static_cast<std::uint32_t>(random() % 4)};
      total += static_cast<std::uint32_t>(e.length);
    }
    const Request request{.cookie = round + 1u, .offset = random() % 1000, .length = total};
    Segments segments(total);
    const Bytes data = pattern(total);
    Bytes wanted;
    std::vector<std::uint32_t> holes;
    std::uint32_t zeroes = 0;
    const auto end_of_zeroes = [&] {
      if (zeroes >= 64) holes.push_back(zeroes);
      zeroes = 0;
    };
    for (const Run& e : extents) {
      tell(segments, e.length, e.state);
      if (e.state & state_zero) {
        zeroes += static_cast<std::uint32_t>(e.length);
        wanted.resize(wanted.size() + e.length);
      } else {
        end_of_zeroes();
        const auto from = data.begin() + static_cast<std::ptrdiff_t>(wanted.size());
        wanted.insert(wanted.end(), from, from + static_cast<std::ptrdiff_t>(e.length));
      }
    }
    end_of_zeroes();
    INFO("round " << round);
    const Reading out = reading(laid_out(request, segments, data), request);
    REQUIRE(out.data == wanted);
    REQUIRE(out.holes == holes);
  }
}
