#include "trace/crash/check.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <vector>

#include "config/text.hpp"
#include "socket/descriptor.hpp"
#include "trace/interrupt.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {
namespace {

constexpr off_t most_output = 4096;

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

Descriptor opened(int fd, const char* what) {
  if (fd < 0) fail(errno, what);
  return Descriptor(fd);
}

// In a group of its own, so that a Ctrl-C is for this process, which ends the group. No blocked or ignored signals.
pid_t start(const std::string& command, const std::string& image, int output) {
  std::string name = "sh", option = "-c", text = command, variable = "image=" + image;
  char* const words[] = {name.data(), option.data(), text.data(), nullptr};
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one)
    if (std::string_view(*one).substr(0, 6) != "image=") environment.push_back(*one);
  environment.insert(environment.end(), {variable.data(), nullptr});

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, words, environment.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail(error, "cannot run /bin/sh");
  return pid;
}

// Returns what waitpid() does. Ends the command when somebody wants an end, after two seconds whether it wants or not.
int wait_for(pid_t pid) {
  constexpr int polls_of_patience = 20;  // of 100 ms
  const Descriptor handle = opened(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), "cannot wait for the check");
  int polls = 0;
  for (;;) {
    pollfd end{handle.get(), POLLIN, 0};
    ::poll(&end, 1, 100);
    if (end.revents != 0) break;
    if (!Interrupt::has_come()) continue;
    if (polls == 0) ::kill(-pid, SIGTERM);
    if (++polls == polls_of_patience) ::kill(-pid, SIGKILL);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) fail(errno, "cannot wait for the check");
  return status;
}

std::string end_of(int fd, off_t size) {
  std::string text(static_cast<std::size_t>(std::clamp<off_t>(size, 0, most_output)), '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), std::max<off_t>(size - most_output, 0));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

}  // namespace

Checked check_image(const std::string& command, const std::string& image) {
  Interrupt::check();
  const Descriptor output = opened(::memfd_create("check", MFD_CLOEXEC), "cannot keep what the check prints");
  const int status = wait_for(start(command, image, output.get()));
  Interrupt::check();
  Checked checked;
  const off_t printed = ::lseek(output.get(), 0, SEEK_END);
  checked.output = end_of(output.get(), printed);
  checked.is_cut = printed > most_output;
  if (WIFSIGNALED(status)) {
    checked.how = "was killed by signal " + std::to_string(WTERMSIG(status));
    return checked;
  }
  const int code = WEXITSTATUS(status);
  if (code == 126 || code == 127)
    throw UsageError("--check: " + in_quotes(command) + " cannot be run: " +
                     in_quotes(checked.output.substr(0, checked.output.find_last_not_of('\n') + 1)));
  checked.good = code == 0;
  checked.how = "ended with exit code " + std::to_string(code);
  return checked;
}

}  // namespace ashlar::host::traces
