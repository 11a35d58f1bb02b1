// The process around the command line: exit codes, closed and broken standard streams.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "../temp_folder.hpp"
#include "catch.hpp"
#include "cli/cli.hpp"

namespace {

// The exit code of the program, run by the shell with `rest` behind its name; -1 when it did not exit.
int exit_code(const std::string& rest) {
  const int status = std::system((std::string(ASHLAR_PROGRAM) + " " + rest).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const std::string inspect = "inspect " TEST_MODULES "/pond.so ";

}  // namespace

TEST_CASE("exit codes of the process") {
  CHECK(exit_code(inspect + ">/dev/null") == 0);
  CHECK(exit_code("--help >/dev/null") == 0);
  CHECK(exit_code("srve 2>/dev/null") == 2);
  CHECK(exit_code("2>/dev/null") == 2);
}

TEST_CASE("a full device behind stdout is a failure") { CHECK(exit_code(inspect + ">/dev/full 2>/dev/null") == 1); }

TEST_CASE("a pipe whose reader has gone is a failure, not a crash") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  CHECK(exit_code(inspect + ">&" + std::to_string(ends[1]) + " 2>/dev/null") == 1);
  ::close(ends[1]);
}

TEST_CASE("a stdout that is closed is a failure, and other closed streams do no harm") {
  CHECK(exit_code(inspect + ">&- 2>/dev/null") == 1);
  CHECK(exit_code("srve 2>&-") == 2);
  CHECK(exit_code(inspect + "<&- >/dev/null 2>&-") == 0);
  CHECK(exit_code(inspect + "<&- >&- 2>&-") == 1);
}

TEST_CASE("a command of serve --run can print although stdout is closed") {
  const TempFolder folder;
  const std::string image = folder.write("disk.img", std::string(4096, 'x')).string();
  CHECK(exit_code("serve " + image + " --run 'echo hello && exit 7' >&- 2>/dev/null") == 7);
}

TEST_CASE("a standard stream that is closed is opened, so that no disk gets its number") {
  for (int closed = 0; closed <= 2; ++closed) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(closed);
      if (closed == 1) ::close(2);
      if (!ashlar::host::prepare_process()) ::_exit(1);
      const int next = ::open("/dev/null", O_RDONLY);
      ::_exit(next > 2 && ::fcntl(closed, F_GETFD) != -1 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  }
}

TEST_CASE("where /dev/null cannot be opened for a closed stream, that is said and nothing is begun") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(STDOUT_FILENO);
    const rlimit none{.rlim_cur = 1, .rlim_max = 1};  // no descriptor but stdin can be opened
    ::setrlimit(RLIMIT_NOFILE, &none);
    ::_exit(ashlar::host::prepare_process() ? 0 : 1);
  }
  ::close(ends[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 1));
  char said[256];
  const ssize_t length = ::read(ends[0], said, sizeof said);
  ::close(ends[0]);
  REQUIRE(length > 0);
  CHECK(std::string(said, static_cast<std::size_t>(length)) ==
        "ashlar: descriptor 1 is closed, and /dev/null cannot be opened in its place: Too many open files\n");
}
