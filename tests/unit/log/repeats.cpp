#include "log/repeats.hpp"

#include <spdlog/sinks/ostream_sink.h>

#include <atomic>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace ashlar::host;
using namespace std::chrono_literals;
using spdlog::level::err;
using spdlog::level::warn;

namespace {

// Repeats with a log in memory and a clock that stands still.
struct Fixture {
  std::ostringstream text;
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
  std::chrono::steady_clock::time_point now{1000s};
  std::unique_ptr<Repeats> repeats;

  explicit Fixture(std::size_t most_kinds = 256) {
    logger->set_pattern("%l %v");
    repeats = std::make_unique<Repeats>(logger, most_kinds, [this] { return now; });
  }
  void log(std::string_view kind, int times = 1) {
    for (; times > 0; --times) repeats->log(warn, kind);
  }
  // What was logged since the last call.
  std::string told() {
    std::string all = text.str();
    text.str({});
    return all;
  }
};

}  // namespace

TEST_CASE("the first line of a kind is told at once, those that follow are counted and told when the period is over") {
  Fixture f;
  f.log("disk: read: Input/output error", 4);
  CHECK(f.told() == "warning disk: read: Input/output error\n");
  f.now += 9999ms;
  f.log("disk: read: Input/output error");
  f.repeats->tell_due();
  CHECK(f.told().empty());
  f.now += 1ms;
  f.repeats->tell_due();
  CHECK(f.told() == "warning disk: read: Input/output error (4 more like it within 10 s)\n");
  f.repeats->tell_due();
  CHECK(f.told().empty());
}

TEST_CASE("with their number stands what the last one was about") {
  Fixture f;
  for (const char* user : {"a", "b", "c"})
    f.repeats->log(
        warn, "refused", [&] { return std::string("refused ") + user; }, user);
  CHECK(f.told() == "warning refused a\n");
  f.repeats->tell_all();
  CHECK(f.told() == "warning refused (2 more like it within 10 s, the last: c)\n");
}

TEST_CASE("a line may say more than its kind, and is only made when it is told") {
  Fixture f;
  int made = 0;
  const auto line = [&] { return "offset " + std::to_string(made++) + " fails"; };
  f.repeats->log(err, "it fails", line);
  f.repeats->log(err, "it fails", line);
  CHECK(f.told() == "error offset 0 fails\n");
  CHECK(made == 1);
}

TEST_CASE("kinds do not count for each other") {
  Fixture f;
  f.log("a", 2);
  f.log("b", 3);
  CHECK(f.told() == "warning a\nwarning b\n");
  f.repeats->tell_all();
  CHECK(f.told() == "warning a (1 more like it within 10 s)\nwarning b (2 more like it within 10 s)\n");
}

TEST_CASE("a warning does not count for an error") {
  Fixture f;
  f.repeats->log(warn, "a");
  f.repeats->log(err, "a");
  CHECK(f.told() == "warning a\nerror a\n");
}

TEST_CASE("a line of another kind also ends the periods that are over") {
  Fixture f;
  f.log("a", 2);
  f.now += 10s;
  f.log("b");
  CHECK(f.told() == "warning a\nwarning a (1 more like it within 10 s)\nwarning b\n");
}

TEST_CASE("what goes on is told less often, but every minute") {
  Fixture f;
  f.log("a");
  CHECK(f.told() == "warning a\n");
  for (const int period : {10, 20, 40, 60, 60}) {
    f.log("a", 5);
    f.now += std::chrono::seconds(period) - 1ms;
    f.repeats->tell_due();
    CHECK(f.told().empty());
    f.now += 1ms;
    f.repeats->tell_due();
    CHECK(f.told() == "warning a (5 more like it within " + std::to_string(period) + " s)\n");
  }
}

TEST_CASE("after a period without any, the next line is a first one") {
  Fixture f;
  f.log("a", 2);
  f.now += 10s;
  f.repeats->tell_due();
  f.told();
  f.now += 20s;
  f.log("a");
  CHECK(f.told() == "warning a\n");
  f.log("a");
  f.now += 10s;  // and its period is short again
  f.repeats->tell_due();
  CHECK(f.told() == "warning a (1 more like it within 10 s)\n");
}

TEST_CASE("a period that nobody has ended in time ends all the same") {
  Fixture f;
  f.log("a", 2);
  f.now += 3600s;
  f.log("a");
  CHECK(f.told() == "warning a\nwarning a (1 more like it within 10 s)\nwarning a\n");
}

TEST_CASE("numbers under way are told at the end") {
  Fixture f;
  f.log("a", 3);
  f.told();
  f.repeats.reset();
  CHECK(f.told() == "warning a (2 more like it within 10 s)\n");
}

TEST_CASE("the number of kinds is bounded: the oldest is told and forgotten") {
  Fixture f(2);
  f.log("a", 4);
  f.log("b", 2);
  f.log("c", 2);
  CHECK(f.told() == "warning a\nwarning b\nwarning a (3 more like it within 10 s)\nwarning c\n");
  f.log("a");
  CHECK(f.told() == "warning b (1 more like it within 10 s)\nwarning a\n");
  f.log("c");
  CHECK(f.told().empty());
}

TEST_CASE("a level that is off is neither told nor counted") {
  Fixture f;
  f.logger->set_level(err);
  f.log("a", 2);
  f.logger->set_level(warn);
  f.repeats->tell_all();
  CHECK(f.told().empty());
}

TEST_CASE("a line that cannot be made does no harm") {
  Fixture f;
  f.repeats->log(warn, "a", []() -> std::string { throw std::bad_alloc(); });
  CHECK(f.told().empty());
}

TEST_CASE("each of many threads' lines is told or counted") {
  Fixture f;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        f.repeats->log(warn, "a");
        f.repeats->tell_due();
      }
    });
  for (auto& thread : threads) thread.join();
  f.repeats->tell_all();
  CHECK(f.told() == "warning a\nwarning a (3999 more like it within 10 s)\n");
}
