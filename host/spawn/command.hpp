// Command: a program that the server runs beside itself, and whose end is its own end.
#pragma once
#include <sys/resource.h>
#include <sys/types.h>

#include <string>

#include "spawn/command_variables.hpp"

namespace ashlar::host {

class Command {
 public:
  // Has /bin/sh run `text` with `variables` in its environment, with the usual signals and `descriptors` as its limit
  // of open files. At a terminal it stays in the server's process group, so that it can read and Ctrl-C reaches it;
  // else it has a process group of its own, all of which is ended. Throws std::system_error when there is no process to
  // be had.
  Command(const std::string& text, const Variables& variables, const rlimit& descriptors);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // A descriptor that can be read when the command has ended, whose owner the caller is.
  int descriptor() const noexcept { return fd_; }
  // Sends `signal` to all of it that still runs.
  void end(int signal) const noexcept;
  // As a shell has it in $?: its exit code, or 128 and the number of the signal that has ended it. To be called once it
  // has ended.
  int status() noexcept;

 private:
  pid_t pid_ = -1;
  bool own_group_;
  bool over_ = false;
  int fd_ = -1;
  int status_ = 0;
};

}  // namespace ashlar::host
