#include "log/log.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <sys/wait.h>
#include <unistd.h>

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

void write(const ashlar_host& host, std::uint32_t level, const std::string& text) {
  host.log(host.self, level, text.data(), text.size());
}

// What a child that runs `body` and leaves by _exit() has written to stderr.
template <class Body>
std::string stderr_of_child(Body body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], 2);
    ::close(ends[0]);
    ::close(ends[1]);
    body();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string all(1 << 16, '\0');
  std::size_t used = 0;
  for (ssize_t n; used < all.size() && (n = ::read(ends[0], all.data() + used, all.size() - used)) > 0;)
    used += static_cast<std::size_t>(n);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  all.resize(used);
  return all;
}

}  // namespace

TEST_CASE("the logger writes lines of its level and above to stderr, and loses none at exit") {
  const std::string text = stderr_of_child([] {
    const auto logger = make_logger(LogLevel::warn);
    logger->info("not this");
    logger->warn("this");
    logger->error("and this");
  });
  CHECK(text.find("not this") == std::string::npos);
  CHECK(text.find("warning this\n") != std::string::npos);
  CHECK(text.find("error and this\n") != std::string::npos);
}

TEST_CASE("a logger whose stderr is gone stays quiet") {
  CHECK(stderr_of_child([] {
          ::close(2);
          make_logger(LogLevel::trace)->error("nobody reads this");
        }).empty());
}

TEST_CASE("every level of the config is one of the logger's") {
  CHECK(make_logger(LogLevel::trace)->level() == spdlog::level::trace);
  CHECK(make_logger(LogLevel::debug)->level() == spdlog::level::debug);
  CHECK(make_logger(LogLevel::info)->level() == spdlog::level::info);
  CHECK(make_logger(LogLevel::warn)->level() == spdlog::level::warn);
  CHECK(make_logger(LogLevel::error)->level() == spdlog::level::err);
}

TEST_CASE("a module's lines carry its name and level") {
  Capture capture(spdlog::level::trace);
  const ModuleLog log(capture.logger, "disk/file");
  const ashlar_host& host = log.services();
  CHECK(host.size == sizeof(ashlar_host));
  CHECK(host.minor == ASHLAR_ABI_MINOR);
  for (std::uint32_t level = ASHLAR_LOG_TRACE; level <= ASHLAR_LOG_ERROR; ++level) write(host, level, "text");
  CHECK(capture.text.str() ==
        "trace disk/file: text\ndebug disk/file: text\ninfo disk/file: text\nwarning disk/file: text\n"
        "error disk/file: text\n");
}

TEST_CASE("a module learns which levels are on, and lines of others are not written") {
  Capture capture(spdlog::level::warn);
  const ModuleLog log(capture.logger, "x");
  const ashlar_host& host = log.services();
  CHECK(host.log_enabled(host.self, ASHLAR_LOG_INFO) == 0);
  CHECK(host.log_enabled(host.self, ASHLAR_LOG_WARN) == 1);
  write(host, ASHLAR_LOG_INFO, "quiet");
  CHECK(capture.text.str().empty());
}

TEST_CASE("a module's line stays one line, and its braces are no format") {
  Capture capture(spdlog::level::info);
  const ModuleLog log(capture.logger, "a\nb");
  write(log.services(), ASHLAR_LOG_INFO, "one\ntwo {} \x1b[0m");
  CHECK(capture.text.str() == "info a\\nb: one\\ntwo {} \\x1b[0m\n");
}

TEST_CASE("a level of a later ABI and a null text do no harm") {
  Capture capture(spdlog::level::info);
  const ModuleLog log(capture.logger, "x");
  write(log.services(), 77, "loud");
  log.services().log(log.services().self, ASHLAR_LOG_ERROR, nullptr, 5);
  CHECK(capture.text.str() == "error x: loud\n");
}

TEST_CASE("lines of several threads do not mix") {
  Capture capture(spdlog::level::info);
  const ModuleLog log(capture.logger, "x");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) write(log.services(), ASHLAR_LOG_INFO, "0123456789");
    });
  for (auto& thread : threads) thread.join();
  std::istringstream lines(capture.text.str());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) REQUIRE(line == "info x: 0123456789");
  CHECK(count == 800);
}
