// helper: a process that starts the program of `command`, and starts it again when it is told to. It is made while
// programs may still be started; later the server's sandbox lets it start none.
//
// It is a copy of a process with threads, any of which may have held any lock: so it calls nothing but the kernel.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace helper {

// What it is told besides: to end the program; to have less patience with it.
enum class Word : char { end = 'e', hurry = 'h' };

// What it is told: to start the program, as this user.
struct Start {
  uid_t user;
  gid_t group;
  std::uint32_t n_groups;
  std::array<gid_t, 64> groups;
};

// What it tells.
struct Told {
  enum class Kind : std::int32_t { started, not_started, ended } kind;
  std::int32_t value;  // started: the process; not_started: an errno number; ended: as waitpid(2) has it
};

// All that it needs, made before it is.
struct Plan {
  int socket, listener, output;  // SOCK_SEQPACKET for what is above; that of the program; its stdout and stderr
  const char* program;           // a path
  char* const* words;            // of execve(2), as is the next
  char* const* environment;
  char* listen_pid;  // in `environment`, where the digits of the program's process go; room for 10 and a zero
};

// As fork(2), without what fork(3) has other libraries do, which may take locks. A sanitizer has to hear of it.
inline pid_t fork_alone() {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  return ::fork();
#else
  return ::_Fork();
#endif
}

// In the new process. Returns never: it ends, and the program with it, when the other end of the socket is closed.
[[noreturn]] void run(const Plan& plan);

}  // namespace helper
