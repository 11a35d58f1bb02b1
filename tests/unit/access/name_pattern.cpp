// Patterns of distinguished names.
#include "access/name_pattern.hpp"

#include <string>

#include "catch.hpp"

using namespace ashlar::host;

TEST_CASE("pattern: without a star it is the name itself") {
  CHECK(fits_pattern("CN=host1,O=Example", "CN=host1,O=Example"));
  CHECK_FALSE(fits_pattern("CN=host1,O=Example", "CN=host1,O=Examples"));
  CHECK_FALSE(fits_pattern("CN=host1,O=Example", "CN=host1,O=Exampl"));
  CHECK_FALSE(fits_pattern("CN=host1", "cn=host1"));
  CHECK_FALSE(fits_pattern("", "CN=host1"));
}

TEST_CASE("pattern: a star stands for any characters, or none") {
  CHECK(fits_pattern("CN=host1,*", "CN=host1,O=Example,C=DE"));
  CHECK(fits_pattern("CN=host1*", "CN=host1"));
  CHECK_FALSE(fits_pattern("CN=host1,*", "CN=host1"));
  CHECK_FALSE(fits_pattern("CN=host1,*", "CN=host10,O=Example"));
  CHECK_FALSE(fits_pattern("CN=host1,*", "CN=host1\\,O=Example"));
  CHECK(fits_pattern("*,O=Example", "CN=a,O=Example"));
  CHECK_FALSE(fits_pattern("*,O=Example", "CN=a,O=Example,C=DE"));
  CHECK(fits_pattern("CN=*,O=Ex*,C=DE", "CN=x,O=Exam,C=DE"));
  CHECK(fits_pattern("*", ""));
  CHECK(fits_pattern("**", "CN=a"));
}

TEST_CASE("pattern: a star gives back what it has taken too much of") {
  CHECK(fits_pattern("*ab", "aab"));
  CHECK(fits_pattern("a*bc*d", "abbcbcd"));
  CHECK_FALSE(fits_pattern("a*bc*d", "abbcbce"));
}

TEST_CASE("pattern: a question mark stands for one character, of however many bytes") {
  CHECK(fits_pattern("CN=host?", "CN=host7"));
  CHECK_FALSE(fits_pattern("CN=host?", "CN=host"));
  CHECK_FALSE(fits_pattern("CN=host?", "CN=host12"));
  CHECK(fits_pattern("CN=J?rg", "CN=Jörg"));
  CHECK(fits_pattern("*?rg", "CN=Jörg"));
  CHECK_FALSE(fits_pattern("CN=J??rg", "CN=Jörg"));
}

TEST_CASE("pattern: brackets and backslashes stand for themselves") {
  CHECK(fits_pattern("CN=[ab]", "CN=[ab]"));
  CHECK_FALSE(fits_pattern("CN=[ab]", "CN=a"));
  CHECK(fits_pattern("CN=a\\,b,*", "CN=a\\,b,O=c"));
}

TEST_CASE("pattern: many stars end soon") {
  std::string pattern, text(20'000, 'a');
  for (int i = 0; i < 100; ++i) pattern += "*a";
  CHECK(fits_pattern(pattern, text));
  CHECK_FALSE(fits_pattern(pattern + "*b", text));
}
