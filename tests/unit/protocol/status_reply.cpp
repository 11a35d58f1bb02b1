#include "protocol/status_reply.hpp"

#include <vector>

#include "catch.hpp"

using namespace ashlar::protocol;

namespace {

constexpr ReplyStyle status_style(ReplyStyle::Kind::structured);
constexpr std::uint32_t hole = state_hole, zero = state_zero;

struct Answer {
  std::uint64_t length;
  std::uint32_t state;
  friend bool operator==(const Answer&, const Answer&) = default;
};
using List = std::vector<Answer>;

struct Told {
  List list;  // the descriptors; none: there is no reply
  std::vector<std::int32_t> answers;
};

// Tells all of `extents`, whatever is answered.
Told told(std::uint32_t length, const List& extents, bool one = false) {
  const Request request{.cookie = 0x1122334455667788, .offset = 5, .length = length};
  std::vector<std::byte> memory(StatusReply::room(status_style) + 64, std::byte{0xee});
  StatusReply reply(status_style, request, 77, one, memory.data());
  Told out;
  for (const Answer& e : extents) out.answers.push_back(reply.sink()->add(reply.sink()->self, e.length, e.state));
  const std::size_t bytes = reply.finish();
  for (std::size_t i = StatusReply::room(status_style); i < memory.size(); ++i) REQUIRE(memory[i] == std::byte{0xee});
  if (bytes == 0) return out;
  CHECK(get16(memory.data() + 4) == reply_flag_done);
  CHECK(get16(memory.data() + 6) == reply_type_block_status);
  CHECK(get64(memory.data() + 8) == request.cookie);
  CHECK(get32(memory.data() + 16) == bytes - 20);
  CHECK(get32(memory.data() + 20) == 77);
  for (std::size_t at = 24; at < bytes; at += 8)
    out.list.push_back({get32(memory.data() + at), get32(memory.data() + at + 4)});
  return out;
}

}  // namespace

TEST_CASE("status reply: neighbours alike are one; unknown bits are left out") {
  const List extents = {{10, 0}, {20, 0}, {30, hole | zero}, {0, 0}, {40, hole | zero | 0xf0}, {50, zero}};
  CHECK(told(150, extents).list == List{{30, 0}, {70, hole | zero}, {50, zero}});
}

TEST_CASE("status reply: an extent past the end is cut, and no more is wanted then") {
  const Told out = told(150, {{100, 0}, {UINT64_MAX, zero}, {1, 0}});
  CHECK(out.list == List{{100, 0}, {50, zero}});
  CHECK(out.answers == std::vector<std::int32_t>{0, 1, 1});
  CHECK(told(UINT32_MAX, {{UINT64_C(1) << 32, hole}}).list == List{{UINT32_MAX, hole}});
  CHECK(told(UINT32_MAX, {{UINT32_MAX, 0}, {UINT32_MAX, 0}}).list == List{{UINT32_MAX, 0}});
}

TEST_CASE("status reply: one descriptor, of all that is alike at the start") {
  const Told out = told(100, {{10, zero}, {0, 0}, {20, zero}, {30, 0}, {40, zero}}, true);
  CHECK(out.list == List{{30, zero}});
  CHECK(out.answers == std::vector<std::int32_t>{0, 0, 0, 1, 1});
}

TEST_CASE("status reply: the list is cut at its limit, and says so to the layer") {
  List extents;
  for (std::uint32_t i = 0; i < 20'000; ++i) extents.push_back({1 + i % 5, i % 2 * hole});
  const Told out = told(UINT32_MAX, extents);
  CHECK(out.list.size() == StatusReply::most);
  CHECK(std::equal(out.list.begin(), out.list.end(), extents.begin()));
  CHECK(out.answers[StatusReply::most - 1] == 0);
  CHECK(out.answers[StatusReply::most] == 1);
  CHECK(out.answers.back() == 1);
}

TEST_CASE("status reply: less than was asked is told as it is; nothing is no reply") {
  CHECK(told(100, {{10, hole}}).list == List{{10, hole}});
  CHECK(told(100, {}).list.empty());
  CHECK(told(100, {{0, hole}, {0, 0}}).list.empty());
}
