#include "log/module_log.hpp"

#include <spdlog/sinks/ostream_sink.h>

#include <sstream>
#include <thread>
#include <vector>

#include "catch.hpp"

using namespace ashlar::host;

namespace {

// A logger into a string.
struct Capture {
  std::ostringstream text;
  std::shared_ptr<spdlog::logger> logger;
  explicit Capture(spdlog::level::level_enum level)
      : logger(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text))) {
    logger->set_level(level);
    logger->set_pattern("%l %v");
  }
};

void write(ModuleLog& log, std::uint32_t level, const std::string& text) { log.write(level, text); }

}  // namespace

TEST_CASE("a module's lines carry its name and level") {
  Capture capture(spdlog::level::trace);
  ModuleLog log(capture.logger, "disk/file");
  for (std::uint32_t level = ASHLAR_LOG_TRACE; level <= ASHLAR_LOG_ERROR; ++level) write(log, level, "text");
  CHECK(capture.text.str() ==
        "trace disk/file: text\ndebug disk/file: text\ninfo disk/file: text\nwarning disk/file: text\n"
        "error disk/file: text\n");
}

TEST_CASE("a module learns which levels are on, and lines of others are not written") {
  Capture capture(spdlog::level::warn);
  ModuleLog log(capture.logger, "x");
  CHECK_FALSE(log.enabled(ASHLAR_LOG_INFO));
  CHECK(log.enabled(ASHLAR_LOG_WARN));
  write(log, ASHLAR_LOG_INFO, "quiet");
  CHECK(capture.text.str().empty());
}

TEST_CASE("a module's line stays one line, and its braces are no format") {
  Capture capture(spdlog::level::info);
  ModuleLog log(capture.logger, "a\nb");
  write(log, ASHLAR_LOG_INFO, "one\ntwo {} \x1b[0m");
  CHECK(capture.text.str() == "info a\\nb: one\\ntwo {} \\x1b[0m\n");
}

TEST_CASE("a level of a later ABI does no harm") {
  Capture capture(spdlog::level::info);
  ModuleLog log(capture.logger, "x");
  write(log, 77, "loud");
  CHECK(capture.text.str() == "error x: loud\n");
}

TEST_CASE("lines of several threads do not mix") {
  Capture capture(spdlog::level::info);
  ModuleLog log(capture.logger, "x");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) write(log, ASHLAR_LOG_INFO, "0123456789");
    });
  for (auto& thread : threads) thread.join();
  std::istringstream lines(capture.text.str());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) REQUIRE(line == "info x: 0123456789");
  CHECK(count == 800);
}

TEST_CASE("a module's warning or error that comes again word for word is counted") {
  Capture capture(spdlog::level::trace);
  {
    ModuleLog log(capture.logger, "x");
    for (int i = 0; i < 3; ++i) {
      write(log, ASHLAR_LOG_WARN, "it fails");
      write(log, ASHLAR_LOG_ERROR, "it broke");
      write(log, ASHLAR_LOG_INFO, "it goes on");
    }
    write(log, ASHLAR_LOG_WARN, "it fails otherwise");
  }
  CHECK(capture.text.str() ==
        "warning x: it fails\nerror x: it broke\ninfo x: it goes on\n"
        "info x: it goes on\ninfo x: it goes on\n"
        "warning x: it fails otherwise\n"
        "warning x: it fails (2 more like it within 10 s)\nerror x: it broke (2 more like it within 10 s)\n");
}

TEST_CASE("layers do not count each other's lines") {
  Capture capture(spdlog::level::trace);
  ModuleLog one(capture.logger, "a"), other(capture.logger, "b");
  write(one, ASHLAR_LOG_WARN, "it fails");
  write(other, ASHLAR_LOG_WARN, "it fails");
  CHECK(capture.text.str() == "warning a: it fails\nwarning b: it fails\n");
}

TEST_CASE("a module's long line is cut") {
  Capture capture(spdlog::level::info);
  ModuleLog log(capture.logger, "x");
  write(log, ASHLAR_LOG_INFO, std::string(4096, 'a'));
  write(log, ASHLAR_LOG_INFO, std::string(5000, 'b'));
  CHECK(capture.text.str() ==
        "info x: " + std::string(4096, 'a') + "\ninfo x: " + std::string(4096, 'b') + " ... (904 bytes more)\n");
}

TEST_CASE("a module's lines do not hold its secrets") {
  Capture capture(spdlog::level::info);
  ModuleLog log(capture.logger, "x", {"s3cret", "abc", "two\nlines", "s3cretest"});
  write(log, ASHLAR_LOG_INFO, "s3cret: s3cs3cret s3crets, abc");
  write(log, ASHLAR_LOG_WARN, "two\nlines; s3cretest");
  write(log, ASHLAR_LOG_INFO, std::string(4090, 'a') + "s3cret");
  CHECK(capture.text.str() ==
        "info x: (secret): s3c(secret) (secret)s, abc\n"
        "warning x: (secret); (secret)\n"
        "info x: " +
            std::string(4090, 'a') + "(secre ... (2 bytes more)\n");
  write(log, ASHLAR_LOG_ERROR, "cut within s3cr");  // by the SDK, whose room ends there
  CHECK_THAT(capture.text.str(), Catch::EndsWith("x: cut within (secret)\n"));
}
