#include "protocol/text.hpp"

#include <string>

#include "catch.hpp"

using namespace ashlar::protocol;
using namespace std::string_literals;

TEST_CASE("text: UTF-8 without NUL is text") {
  CHECK(is_text(""));
  CHECK(is_text("disk"));
  CHECK(is_text("Größe €"));
  CHECK(is_text("\U0001f4be"));
  CHECK(is_text("\xf4\x8f\xbf\xbf"));  // U+10FFFF
  CHECK(is_text("\xed\x9f\xbf"));      // the last before the surrogates
}

TEST_CASE("text: what is not UTF-8, or has a NUL, is no text") {
  CHECK_FALSE(is_text("a\0b"s));
  CHECK_FALSE(is_text("\0"s));
  CHECK_FALSE(is_text("\x80"));              // continuation alone
  CHECK_FALSE(is_text("\xc3"));              // cut off
  CHECK_FALSE(is_text("\xe2\x82"));          // cut off
  CHECK_FALSE(is_text("\xc3("));             // no continuation
  CHECK_FALSE(is_text("\xc0\xaf"));          // overlong
  CHECK_FALSE(is_text("\xc1\xbf"));          // overlong
  CHECK_FALSE(is_text("\xe0\x9f\xbf"));      // overlong
  CHECK_FALSE(is_text("\xf0\x8f\xbf\xbf"));  // overlong
  CHECK_FALSE(is_text("\xed\xa0\x80"));      // surrogate
  CHECK_FALSE(is_text("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  CHECK_FALSE(is_text("\xf5\x80\x80\x80"));
  CHECK_FALSE(is_text("\xff"));
}

TEST_CASE("text: what is none becomes text") {
  CHECK(to_text("").empty());
  CHECK(to_text("Größe €") == "Größe €");
  CHECK(to_text("a\0b"s) == "a\uFFFDb");
  CHECK(to_text("\xe4 \xe2\x82") == "\uFFFD \uFFFD\uFFFD");
  CHECK(is_text(to_text("\xed\xa0\x80\xff")));
}

TEST_CASE("text: cutting never splits a character") {
  CHECK(cut_text("abc", 3) == "abc");
  CHECK(cut_text("abc", 2) == "ab");
  CHECK(cut_text("abc", 0).empty());
  CHECK(cut_text("a€b", 5) == "a€b");
  CHECK(cut_text("a€b", 4) == "a€");
  CHECK(cut_text("a€b", 3) == "a");
  CHECK(cut_text("a€b", 2) == "a");
  CHECK(cut_text("\x80\x80\x80", 2).empty());
}
