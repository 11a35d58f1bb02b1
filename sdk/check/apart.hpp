// apart: runs a check in a process of its own, for what a module that is wrong does not survive.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "report.hpp"

namespace ashlar::check {

// Runs `check`, which throws Broken or NotMade, and does so as well; Broken if the process does not live to its end.
// The module must not have threads here.
template <class Check>
void apart(Check check) {
  int ends[2];
  if (::pipe(ends) != 0) throw Broken{std::string("no pipe: ") + std::strerror(errno)};
  const pid_t child = ::fork();
  if (child < 0) throw Broken{std::string("no process: ") + std::strerror(errno)};
  if (child == 0) {
    std::string told = "k";  // how it ended, and a text
    try {
      check();
    } catch (const NotMade& n) {
      told = "-" + n.why;
    } catch (const Broken& b) {
      told = "b" + b.how;
    } catch (const std::exception& e) {
      told = std::string("b") + e.what();
    }
    static_cast<void>(!::write(ends[1], told.data(), told.size()));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string told;
  char part[512];
  for (ssize_t n; (n = ::read(ends[0], part, sizeof part)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) told.append(part, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) throw Broken{std::string("it ended the process: ") + ::strsignal(WTERMSIG(status))};
  if (told.empty()) throw Broken{"it ended the process"};
  if (told[0] == '-') throw NotMade{told.substr(1)};
  if (told[0] == 'b') throw Broken{told.substr(1)};
}

}  // namespace ashlar::check
