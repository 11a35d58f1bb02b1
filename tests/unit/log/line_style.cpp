#include "log/line_style.hpp"

#include <fcntl.h>
#include <spdlog/details/log_msg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.hpp"

using namespace ashlar::host;

namespace {

std::string line(const LineStyle& style, spdlog::level::level_enum level, const std::string& text) {
  const spdlog::log_clock::time_point then{std::chrono::milliseconds(1'000'000'000'007)};
  spdlog::memory_buf_t out;
  make_formatter(style)->format(spdlog::details::log_msg(then, {}, "ashlar", level, text), out);
  return std::string(out.data(), out.size());
}

}  // namespace

TEST_CASE("a line of JSON is an object, whatever is logged") {
  const LineStyle style{.format = LogFormat::json, .name = "", .journal = false};
  const std::string begin = R"({"time": "2001-09-09T01:46:40.007Z", "level": "warn", "message": ")";
  CHECK(line(style, spdlog::level::warn, "text") == begin + "text\"}\n");
  CHECK(line(style, spdlog::level::warn, "a \"b\" \\ \t\x01\x7f") ==
        begin + "a \\\"b\\\" \\\\ \\u0009\\u0001\x7f\"}\n");
  CHECK(line(style, spdlog::level::warn, "\xc3\xbc \xc3 \xff") == begin + "\xc3\xbc \xef\xbf\xbd \xef\xbf\xbd\"}\n");
}

TEST_CASE("a line of text is one line, whatever is logged") {
  const std::string found = line({}, spdlog::level::warn, "a\nb \x1b[2J\r\xc3\xbc");
  CHECK(found.ends_with(" warning a\\nb \\x1b[2J\\r\xc3\xbc\n"));
  CHECK(line({.name = "x", .journal = true}, spdlog::level::warn, "a\n<3>b") == "<4>warning x: a\\n<3>b\n");
}

TEST_CASE("levels have the names that the config has for them, and the journal's priorities") {
  const LineStyle json{.format = LogFormat::json, .name = "x", .journal = true}, text{.name = "x", .journal = true};
  const auto check = [&](spdlog::level::level_enum level, const std::string& priority, const std::string& name) {
    CHECK(line(json, level, "m").starts_with(priority + "{"));
    CHECK(line(json, level, "m").find("\"level\": \"" + name + "\", \"name\": \"x\", \"message\": \"m\"}") !=
          std::string::npos);
    CHECK(line(text, level, "m").starts_with(priority + name));
    CHECK(line(text, level, "m").ends_with(" x: m\n"));
  };
  check(spdlog::level::trace, "<7>", "trace");
  check(spdlog::level::debug, "<7>", "debug");
  check(spdlog::level::info, "<6>", "info");
  check(spdlog::level::warn, "<4>", "warn");
  check(spdlog::level::err, "<3>", "error");
}

TEST_CASE("a name is put into the line as it is") {
  CHECK(line({.name = "50%v %"}, spdlog::level::info, "m").ends_with(" info 50%v %: m\n"));
}

TEST_CASE("the journal is told by the file that standard error is") {
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  struct stat status {};
  REQUIRE(::fstat(fd, &status) == 0);
  const std::string device = std::to_string(status.st_dev), inode = std::to_string(status.st_ino);
  CHECK(is_journal((device + ":" + inode).c_str(), fd));
  CHECK_FALSE(is_journal((device + ":" + inode + "0").c_str(), fd));
  CHECK_FALSE(is_journal((device + "0:" + inode).c_str(), fd));
  CHECK_FALSE(is_journal("", fd));
  CHECK_FALSE(is_journal(nullptr, fd));
  ::close(fd);
  CHECK_FALSE(is_journal((device + ":" + inode).c_str(), -1));
}
