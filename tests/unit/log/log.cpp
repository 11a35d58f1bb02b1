#include "log/log.hpp"

#include <fcntl.h>
#include <pty.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>
#include <sstream>
#include <thread>

#include "catch.hpp"

using namespace ashlar::host;

namespace {

// The program speaker.cpp with `stderr_fd` as standard error, or none.
class Speaker {
 public:
  Speaker(const std::string& how, int stderr_fd) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    if (stderr_fd >= 0) ::posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
    else ::posix_spawn_file_actions_addclose(&actions, STDERR_FILENO);
    std::string program = ASHLAR_SPEAKER, word = how, term = "TERM=xterm", zone = "TZ=UTC";
    char* const arguments[] = {program.data(), word.data(), nullptr};
    char* const environment[] = {term.data(), zone.data(), nullptr};
    const int error = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environment);
    ::posix_spawn_file_actions_destroy(&actions);
    REQUIRE(error == 0);
  }
  // Its exit code; -1 when a signal has ended it.
  int exit_code() const {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

std::string read_all(int fd) {
  std::string all;
  char part[4096];
  for (ssize_t n; (n = ::read(fd, part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(n));
  return all;
}

struct Spoken {
  std::string text;
  int exit_code;
};

// Runs a speaker whose standard error is a pipe that is read.
Spoken spoken(const std::string& how) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Speaker speaker(how, ends[1]);
  ::close(ends[1]);
  std::string text = read_all(ends[0]);
  ::close(ends[0]);
  return {std::move(text), speaker.exit_code()};
}

void check_all_lines(const std::string& text) {
  std::istringstream lines(text);
  int next = 0;
  for (std::string line; std::getline(lines, line); ++next)
    REQUIRE(line.ends_with(" info line " + std::to_string(next)));
  CHECK(next == 5000);
}

}  // namespace

TEST_CASE("no line is lost at the end of the process, however it comes") {
  const Spoken returned = spoken("return"), thrown = spoken("throw"), exited = spoken("_exit");
  CHECK(returned.exit_code == 0);
  check_all_lines(returned.text);
  CHECK(thrown.exit_code == 1);
  check_all_lines(thrown.text);
  CHECK(exited.exit_code == 1);
  check_all_lines(exited.text);
}

TEST_CASE("a process whose standard error nobody reads ends all the same") {
  for (const auto& [how, code] : {std::pair{"return", 0}, {"throw", 1}, {"_exit", 1}}) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    CHECK(Speaker(how, ends[1]).exit_code() == code);
    ::close(ends[1]);
    ::close(ends[0]);
  }
}

TEST_CASE("a process whose standard error is closed, full or gone ends as it would have") {
  CHECK(Speaker("return", -1).exit_code() == 0);
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  CHECK(Speaker("return", full).exit_code() == 0);
  ::close(full);
}

TEST_CASE("a process that logs nothing ends") { CHECK(spoken("nothing").text.empty()); }

TEST_CASE("a line has the time of the call, the level and the text") {
  CHECK(spoken("levels").text ==
        "2001-09-09 01:46:40.123 trace text\n2001-09-09 01:46:40.123 debug text\n"
        "2001-09-09 01:46:40.123 info text\n2001-09-09 01:46:40.123 warning text\n"
        "2001-09-09 01:46:40.123 error text\n");
}

TEST_CASE("levels have colours on a terminal") {
  int terminal = -1, standard_error = -1;
  REQUIRE(::openpty(&terminal, &standard_error, nullptr, nullptr, nullptr) == 0);
  const Speaker speaker("levels", standard_error);
  CHECK(speaker.exit_code() == 0);  // few lines: they stay in the terminal until they are read
  ::close(standard_error);
  const std::string text = read_all(terminal);
  ::close(terminal);
  CHECK(text ==
        "2001-09-09 01:46:40.123 \033[37mtrace\033[m text\r\n2001-09-09 01:46:40.123 \033[36mdebug\033[m text\r\n"
        "2001-09-09 01:46:40.123 \033[32minfo\033[m text\r\n"
        "2001-09-09 01:46:40.123 \033[33m\033[1mwarning\033[m text\r\n"
        "2001-09-09 01:46:40.123 \033[31m\033[1merror\033[m text\r\n");
}

TEST_CASE("every level of the config is one of the logger's") {
  CHECK(Log(LogLevel::trace).logger()->level() == spdlog::level::trace);
  CHECK(Log(LogLevel::debug).logger()->level() == spdlog::level::debug);
  CHECK(Log(LogLevel::info).logger()->level() == spdlog::level::info);
  CHECK(Log(LogLevel::warn).logger()->level() == spdlog::level::warn);
  CHECK(Log(LogLevel::error).logger()->level() == spdlog::level::err);
}
