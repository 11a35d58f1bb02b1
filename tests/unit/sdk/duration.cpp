#include <ashlar/rules/duration.hpp>

#include "unit/matchers.hpp"

using ashlar::rules::parse_duration;
using namespace std::chrono_literals;

TEST_CASE("a duration is a number with a unit from nanoseconds to hours") {
  CHECK(parse_duration("40ns") == 40ns);
  CHECK(parse_duration("40us") == 40us);
  CHECK(parse_duration("40ms") == 40ms);
  CHECK(parse_duration("2s") == 2s);
  CHECK(parse_duration("5m") == 5min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("1.5h") == 90min);
  CHECK(parse_duration(".5s") == 500ms);
  CHECK(parse_duration("0s") == 0s);
}

TEST_CASE("what is no duration is none") {
  for (const char* text :
       {"",   "s",  "40", "1e3ms", "1E3s", "-1s",   "-0s",  "+1s",  " 1s",   "1 s",   "1s ",
        "1S", "1H", "1M", "1d",    "1min", "1h30m", "infs", "nans", "0x10s", "1..5s", "99999999999h"}) {
    CAPTURE(text);
    CHECK(!parse_duration(text));
  }
}
