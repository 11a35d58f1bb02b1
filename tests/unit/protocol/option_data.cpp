#include "protocol/option_data.hpp"

#include "talk.hpp"

using namespace ashlar::protocol;
using namespace ashlar::protocol::test;

namespace {

std::span<const std::byte> bytes_of(std::string_view data) { return std::as_bytes(std::span(data)); }

// Whether `name` is unset or lies within the first `size` bytes of `data`.
bool within(std::string_view name, const std::string& data, std::size_t size) {
  return name.empty() || name.data() + name.size() <= data.data() + size;
}

}  // namespace

TEST_CASE("option data: taken apart") {
  const std::string info = info_data("disk", {1, 77, 3}), meta = meta_data("disk", {"x-y:z", "base:"});
  InfoRequest in;
  REQUIRE(parse_info(bytes_of(info), in) == nullptr);
  CHECK(in.name == "disk");
  CHECK(in.wants_name);
  CHECK_FALSE(in.wants_description);
  CHECK(in.wants_block_size);
  MetaRequest m;
  REQUIRE(parse_meta(bytes_of(meta), m) == nullptr);
  CHECK(m.name == "disk");
  CHECK(m.queries);
  CHECK(m.wildcard);
  CHECK_FALSE(m.allocation);
}

// The bytes behind the end are there, and would make the data valid.
TEST_CASE("option data: nothing behind its end is looked at") {
  const std::string info = info_data("disk", {1, 3}), meta = meta_data("disk", {"base:allocation"});
  for (std::size_t n = 0; n < info.size(); ++n) {
    CAPTURE(n);
    InfoRequest request;
    CHECK(parse_info(bytes_of(info).first(n), request) != nullptr);
    CHECK(within(request.name, info, n));
    CHECK_FALSE(request.wants_block_size);
  }
  for (std::size_t n = 0; n < meta.size(); ++n) {
    CAPTURE(n);
    MetaRequest request;
    CHECK(parse_meta(bytes_of(meta).first(n), request) != nullptr);
    CHECK(within(request.name, meta, n));
    CHECK_FALSE(request.allocation);
  }
}
