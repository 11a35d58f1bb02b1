// LIST_META_CONTEXT, SET_META_CONTEXT and what they lead to.
#include "talk.hpp"

using namespace ashlar;
using namespace ashlar::protocol;
using namespace ashlar::protocol::test;
using State = Handshake::State;
using Queries = std::initializer_list<std::string_view>;

namespace {

constexpr std::uint32_t list = 9, set = 10;
const std::string ask_structured = option(8), structured_ack = reply(8, 1);

// What is answered once structured replies are negotiated.
std::string meta(std::uint32_t number, std::string_view data) {
  const std::string all = answer(ask_structured + option(number, data));
  REQUIRE(all.starts_with(structured_ack));
  return all.substr(structured_ack.size());
}
std::string meta(std::uint32_t number, std::string_view name, Queries queries) {
  return meta(number, meta_data(name, queries));
}
std::string found(std::uint32_t number) {
  return reply(number, 4, be32(number == set ? 1 : 0) + "base:allocation") + reply(number, 1);
}
std::string nothing(std::uint32_t number) { return reply(number, 1); }

Agreement agreed(const std::string& options) {
  const Outcome out = talk(client_flags() + ask_structured + options);
  REQUIRE(out.state == State::transmission);
  return out.agreement;
}
std::string selects(std::string_view name) { return option(set, meta_data(name, {"base:allocation"})); }
std::string go(std::string_view name) { return option(7, info_data(name)); }

}  // namespace

TEST_CASE("meta context: base:allocation by its name") {
  CHECK(meta(list, "disk", {"base:allocation"}) == found(list));
  CHECK(meta(set, "disk", {"base:allocation"}) == found(set));
  CHECK(meta(set, "", {"base:allocation"}) == found(set));
}

TEST_CASE("meta context: base: is a wildcard to LIST alone") {
  CHECK(meta(list, "disk", {"base:"}) == found(list));
  CHECK(meta(set, "disk", {"base:"}) == nothing(set));
}

TEST_CASE("meta context: no queries are all to LIST and none to SET") {
  CHECK(meta(list, "disk", {}) == found(list));
  CHECK(meta(set, "disk", {}) == nothing(set));
}

TEST_CASE("meta context: unknown namespaces and leaf names are ignored") {
  for (std::uint32_t number : {list, set}) {
    CHECK(
        meta(number, "disk", {"qemu:dirty-bitmap:b", "x-own:", "base:other", "base:allocation2", "Base:allocation"}) ==
        nothing(number));
    CHECK(meta(number, "disk", {"qemu:allocation-depth", "base:allocation"}) == found(number));
  }
}

TEST_CASE("meta context: named twice, answered once") {
  CHECK(meta(list, "disk", {"base:", "base:allocation", "base:allocation"}) == found(list));
  CHECK(meta(set, "disk", {"base:allocation", "base:allocation"}) == found(set));
}

TEST_CASE("meta context: an export that cannot tell extents has none") {
  CHECK(meta(list, "small", {}) == nothing(list));
  CHECK(meta(set, "small", {"base:allocation"}) == nothing(set));
}

TEST_CASE("meta context: structured replies come first") {
  for (std::uint32_t number : {list, set}) {
    CHECK(only_type(answer(option(number, meta_data("disk", {"base:allocation"}))), number) == rep_err_invalid);
    CHECK(only_type(answer(option(number, std::string(100'000, 'x'))), number) == rep_err_invalid);
  }
}

TEST_CASE("meta context: exports that cannot be had") {
  for (std::uint32_t number : {list, set}) {
    CHECK(only_type(meta(number, "unknown", {"base:allocation"}), number) == rep_err_unknown);
    CHECK(only_type(meta(number, "broken", {"base:allocation"}), number) == rep_err_policy);
  }
}

TEST_CASE("meta context: cut off at each byte, or with more behind, is INVALID") {
  for (std::uint32_t number : {list, set}) {
    const std::string data = meta_data("disk", {"base:allocation", "x-own:y"});
    for (std::size_t n = 0; n < data.size(); ++n) {
      CAPTURE(n);
      CHECK(only_type(meta(number, data.substr(0, n)), number) == rep_err_invalid);
    }
    CHECK(only_type(meta(number, data + '\0'), number) == rep_err_invalid);
    CHECK(only_type(meta(number, counted("disk") + be32(0xffffffff)), number) == rep_err_invalid);
    CHECK(only_type(meta(number, counted("disk") + be32(1) + be32(0xffffffff) + "base:"), number) == rep_err_invalid);
    CHECK(only_type(meta(number, be32(0xffffffff) + "disk" + be32(0)), number) == rep_err_invalid);
  }
}

TEST_CASE("meta context: queries that are none are INVALID") {
  for (std::uint32_t number : {list, set}) {
    CHECK(only_type(meta(number, "disk", {"base"}), number) == rep_err_invalid);
    CHECK(only_type(meta(number, "disk", {""}), number) == rep_err_invalid);
    CHECK(only_type(meta(number, "disk", {":allocation"}), number) == rep_err_invalid);
    CHECK(only_type(meta(number, "disk", {"base:\xff"}), number) == rep_err_invalid);
    CHECK(only_type(meta(number, "disk", {std::string_view("base:\0", 6)}), number) == rep_err_invalid);
    CHECK(only_type(meta(number, "\xff", {}), number) == rep_err_invalid);
    CHECK(only_type(meta(number, "disk", {"x-:" + std::string(4094, 'q')}), number) == rep_err_invalid);
    CHECK(meta(number, "disk", {"x-:" + std::string(4093, 'q')}) == nothing(number));
    CHECK(only_type(meta(number, std::string(4097, 'n'), {}), number) == rep_err_invalid);
  }
}

TEST_CASE("meta context: too many queries are TOO_BIG") {
  std::string data = counted("disk") + be32(6000);
  for (int i = 0; i < 6000; ++i) data += counted("base:abc");
  CHECK(only_type(meta(list, data), list) == rep_err_too_big);
  CHECK(only_type(meta(set, data), set) == rep_err_too_big);
}

TEST_CASE("meta context: a selection counts for the export that is entered") {
  CHECK(agreed(selects("disk") + go("disk")).base_allocation);
  CHECK(agreed(selects("disk") + go("disk")).allocation_context == 1);
  CHECK(agreed(selects("disk") + go("")).base_allocation);  // the empty name is the first's
  CHECK(agreed(selects("") + go("disk")).base_allocation);
  CHECK(agreed(selects("disk") + option(1, "disk")).base_allocation);
  CHECK(agreed(selects("disk") + option(6, info_data("small")) + go("disk")).base_allocation);
  CHECK_FALSE(agreed(selects("disk") + go("small")).base_allocation);
  CHECK(agreed(selects("disk") + go("small")).allocation_context == 0);
  CHECK_FALSE(agreed(selects("disk") + option(1, "small")).base_allocation);
  CHECK_FALSE(agreed(go("disk")).base_allocation);
  CHECK_FALSE(agreed(option(list, meta_data("disk", {"base:allocation"})) + go("disk")).base_allocation);
}

TEST_CASE("meta context: each SET replaces what was selected, also when it fails") {
  const auto kept = [](const std::string& between) {
    return agreed(selects("disk") + between + go("disk")).base_allocation;
  };
  CHECK(kept(""));
  CHECK(kept(option(list, meta_data("disk", {}))));
  CHECK(kept(option(3)));
  CHECK(kept(selects("small") + selects("disk")));
  CHECK_FALSE(kept(selects("small")));
  CHECK_FALSE(kept(option(set, meta_data("disk", {}))));
  CHECK_FALSE(kept(option(set, meta_data("disk", {"base:"}))));
  CHECK_FALSE(kept(selects("unknown")));
  CHECK_FALSE(kept(selects("broken")));
  CHECK_FALSE(kept(option(set, "malformed")));
  CHECK_FALSE(kept(option(set, std::string(100'000, 'x'))));
}
