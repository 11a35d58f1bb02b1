#include "config/text.hpp"

#include "catch.hpp"

using namespace ashlar::host;

TEST_CASE("one_line writes control characters so that they can be seen") {
  CHECK(one_line("plain ü") == "plain ü");
  CHECK(one_line("a\nb\tc\rd") == "a\\nb\\tc\\rd");
  CHECK(one_line(std::string("\0\x1b\x7f", 3)) == "\\x00\\x1b\\x7f");
}

TEST_CASE("in_quotes escapes quotes and backslashes") {
  CHECK(in_quotes("disk") == "\"disk\"");
  CHECK(in_quotes("a\"b\\c\n") == "\"a\\\"b\\\\c\\n\"");
}
