#include "module/parameter.hpp"

#include <limits>
#include <stdexcept>

#include "unit/matchers.hpp"

using namespace ashlar::host;

namespace {

constexpr const char* const modes[] = {"error", "widen", nullptr};

ashlar_param row(std::uint32_t type, std::int64_t minimum = 1, std::int64_t maximum = 1 << 20) {
  ashlar_param out{sizeof(ashlar_param), type, "x", "help", nullptr, 0, 0, minimum, maximum, nullptr};
  if (type == ASHLAR_PARAM_CHOICE) out.choices = modes;
  return out;
}

TypedValue typed(std::uint32_t type, const TomlValue& value) { return typed_value(row(type), value, "/etc/ashlar"); }

std::string refusal(std::uint32_t type, const TomlValue& value) {
  try {
    typed(type, value);
    return "accepted";
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

const TomlValue text(const char* s) { return std::string(s); }
TomlValue number(std::int64_t n) { return n; }

}  // namespace

TEST_CASE("values of each type") {
  CHECK(typed(ASHLAR_PARAM_STRING, text("")).text.empty());
  CHECK(typed(ASHLAR_PARAM_STRING, text("64K")).text == "64K");
  CHECK(typed(ASHLAR_PARAM_PATH, text("disk.img")).text == "/etc/ashlar/disk.img");
  CHECK(typed(ASHLAR_PARAM_PATH, text("../a/../b")).text == "/etc/ashlar/../a/../b");
  CHECK(typed(ASHLAR_PARAM_PATH, text("/dev/sda")).text == "/dev/sda");
  CHECK(typed(ASHLAR_PARAM_BOOL, true).number == 1);
  CHECK(typed(ASHLAR_PARAM_BOOL, false).number == 0);
  CHECK(typed(ASHLAR_PARAM_INT, number(1)).number == 1);
  CHECK(typed(ASHLAR_PARAM_INT, number(1 << 20)).number == 1 << 20);
  CHECK(typed(ASHLAR_PARAM_SIZE, number(512)).number == 512);
  CHECK(typed(ASHLAR_PARAM_SIZE, text("64K")).number == 65536);
  CHECK(typed(ASHLAR_PARAM_CHOICE, text("widen")).number == 1);
  CHECK(typed(ASHLAR_PARAM_CHOICE, text("widen")).text == "widen");
}

TEST_CASE("a value of the wrong type is refused with what was found and what is wanted") {
  CHECK(refusal(ASHLAR_PARAM_STRING, number(1)) == "found an integer, wanted a string; write it in quotes");
  CHECK(refusal(ASHLAR_PARAM_PATH, true) == "found a boolean, wanted a string; write it in quotes");
  CHECK(refusal(ASHLAR_PARAM_BOOL, text("true")) ==
        "found a string, wanted a boolean; write true or false, without quotes");
  CHECK(refusal(ASHLAR_PARAM_BOOL, number(1)) ==
        "found an integer, wanted a boolean; write true or false, without quotes");
  CHECK(refusal(ASHLAR_PARAM_INT, 1.0) == "found a float, wanted an integer; write a whole number, without quotes");
  CHECK(refusal(ASHLAR_PARAM_INT, text("1")) ==
        "found a string, wanted an integer; write a whole number, without quotes");
  CHECK(refusal(ASHLAR_PARAM_SIZE, 1.5) == "found a float, wanted a size; write bytes, or a string such as \"64K\"");
  CHECK(refusal(ASHLAR_PARAM_SIZE, true) == "found a boolean, wanted a size; write bytes, or a string such as \"64K\"");
  CHECK(refusal(ASHLAR_PARAM_CHOICE, number(0)) == "found an integer, wanted a string; write it in quotes");
}

TEST_CASE("a value out of its range is refused with the range") {
  CHECK(refusal(ASHLAR_PARAM_INT, number(0)) == "0 is out of range; give 1..1048576");
  CHECK(refusal(ASHLAR_PARAM_SIZE, text("2M")) == "2097152 is out of range; give 1..1M");
  CHECK(refusal(ASHLAR_PARAM_SIZE, number(-1)) == "-1 is out of range; give 1..1M");
  CHECK_THAT(refusal(ASHLAR_PARAM_SIZE, text("1.5M")), ContainsSubstring("has a fraction"));
  CHECK(refusal(ASHLAR_PARAM_CHOICE, text("eror")) == "\"eror\" is not one of the choices; did you mean \"error\"?");
  CHECK(refusal(ASHLAR_PARAM_CHOICE, text("z")) == "\"z\" is not one of the choices; known: error, widen");
  CHECK(refusal(ASHLAR_PARAM_PATH, text("")) == "is an empty path; name a file");
  CHECK(refusal(ASHLAR_PARAM_STRING, std::string("a\0b", 3)) == "has a NUL character; take it out");
}

TEST_CASE("ranges as text") {
  constexpr auto low = std::numeric_limits<std::int64_t>::min(), high = std::numeric_limits<std::int64_t>::max();
  CHECK(range_text(row(ASHLAR_PARAM_INT, low, high)).empty());
  CHECK(range_text(row(ASHLAR_PARAM_INT, -5, 5)) == "-5..5");
  CHECK(range_text(row(ASHLAR_PARAM_INT, 0, high)) == "0..");
  CHECK(range_text(row(ASHLAR_PARAM_INT, low, 4096)) == "..4096");
  CHECK(range_text(row(ASHLAR_PARAM_SIZE, 512, 65536)) == "512..64K");
  CHECK(range_text(row(ASHLAR_PARAM_CHOICE)) == "error|widen");
  CHECK(range_text(row(ASHLAR_PARAM_STRING)).empty());
}

TEST_CASE("types and ranges of lists are those of their items") {
  ashlar_param list = row(ASHLAR_PARAM_LIST);
  list.item = ASHLAR_PARAM_SIZE;
  CHECK(type_text(list) == "list of size");
  CHECK(range_text(list) == "1..1M");
  list.item = ASHLAR_PARAM_CHOICE;
  list.choices = modes;
  CHECK(type_text(list) == "list of choice");
  CHECK(range_text(list) == "error|widen");
  CHECK(type_text(row(ASHLAR_PARAM_SECRET)) == "secret");
}
