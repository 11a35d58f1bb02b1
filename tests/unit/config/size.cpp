#include "config/size.hpp"

#include <limits>
#include <stdexcept>

#include "unit/matchers.hpp"

using namespace ashlar::host;

namespace {
std::string refusal(std::string_view text) {
  try {
    return "accepted as " + std::to_string(parse_size(text));
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}
}  // namespace

TEST_CASE("a size is bytes or a power of 1024") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("4096") == 4096);
  CHECK(parse_size("64K") == 65536);
  CHECK(parse_size("64k") == 65536);
  CHECK(parse_size("1M") == 1 << 20);
  CHECK(parse_size("2G") == std::int64_t{2} << 30);
  CHECK(parse_size("1T") == std::int64_t{1} << 40);
  CHECK(parse_size("3P") == std::int64_t{3} << 50);
}

TEST_CASE("a size goes up to 2^63-1 and not beyond") {
  CHECK(parse_size("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_size("8191P") == std::int64_t{8191} << 50);
  for (const char* text : {"9223372036854775808", "8192P", "9007199254740992K", "99999999999999999999999"})
    CHECK(refusal(text) == '"' + std::string(text) + "\" is too large; sizes go up to 2^63-1 bytes");
}

TEST_CASE("what is no size is refused with what to do") {
  CHECK(refusal("1.5M") == "\"1.5M\" has a fraction; write a whole number of a smaller unit, such as \"1536K\"");
  for (const char* text : {"", "K", "-1", "+1", " 1", "0.5", "abc"}) {
    INFO(text);
    if (std::string(text) == "0.5") CHECK_THAT(refusal(text), ContainsSubstring("fraction"));
    else CHECK_THAT(refusal(text), ContainsSubstring("is not a size; write bytes"));
  }
  for (const char* text : {"1X", "1KB", "1KiB", "1 K", "1K ", "1_000", "0x10"})
    CHECK_THAT(refusal(text), ContainsSubstring("does not end in a known unit"));
  CHECK_THAT(refusal(std::string_view("1\0", 2)), ContainsSubstring("\"1\\x00\" does not end"));
}

TEST_CASE("size_text is read back as the same size") {
  CHECK(size_text(0) == "0");
  CHECK(size_text(1000) == "1000");
  CHECK(size_text(1024) == "1K");
  CHECK(size_text(1536 << 10) == "1536K");
  CHECK(size_text(std::int64_t{64} << 20) == "64M");
  for (const std::int64_t bytes : {std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max(), std::int64_t{513}})
    CHECK(parse_size(size_text(bytes)) == bytes);
}
