#include "spawn/command.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <vector>

namespace ashlar::host {
namespace {

constexpr int cannot_run = 127;  // as a shell says of what it cannot run
constexpr int by_signal = 128;

// No signal is handled until it is gone: in a child, a handler of the server's would tell the server of it.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

bool at_terminal() { return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp(); }

// This process's environment with `variables` in the place of those of the same names.
std::vector<std::string> environment_with(const Variables& variables) {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string text = *one, name = text.substr(0, text.find('='));
    bool replaced = false;
    for (const auto& variable : variables) replaced = replaced || variable.first == name;
    if (!replaced) all.push_back(text);
  }
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In the child: nothing here may allocate or lock, as other threads were cut off anywhere. (fork(2))
[[noreturn]] void become_command(char* const* words, char* const* environment, bool own_group,
                                 const rlimit& descriptors) {
  if (own_group) ::setpgid(0, 0);
  for (int number = 1; number < NSIG; ++number)
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setrlimit(RLIMIT_NOFILE, &descriptors);
  ::execve(words[0], words, environment);
  ::_exit(cannot_run);
}

}  // namespace

Command::Command(const std::string& text, const Variables& variables, const rlimit& descriptors)
    : own_group_(!at_terminal()) {
  std::vector<std::string> words{"/bin/sh", "-c", text}, environment = environment_with(variables);
  const std::vector<char*> word_pointers = pointers_to(words), environment_pointers = pointers_to(environment);
  {
    const AllSignalsBlocked blocked;
    pid_ = ::fork();
    if (pid_ == 0) become_command(word_pointers.data(), environment_pointers.data(), own_group_, descriptors);
  }
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "--run: fork");
  if (own_group_) ::setpgid(pid_, pid_);  // the child does so, too: who is first must not matter
  fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (fd_ >= 0) return;
  const int error = errno;
  end(SIGKILL);
  status();
  throw std::system_error(error, std::generic_category(), "--run: pidfd_open");
}

Command::~Command() {
  if (over_) return;
  end(SIGKILL);
  status();
}

// What the command has left behind in its group is ended, too; until status() the number is nobody else's.
void Command::end(int signal) const noexcept {
  if (over_) return;
  ::kill(own_group_ ? -pid_ : pid_, signal);
}

int Command::status() noexcept {
  if (over_) return status_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  over_ = true;
  return status_ = WIFEXITED(status) ? WEXITSTATUS(status) : by_signal + WTERMSIG(status);
}

}  // namespace ashlar::host
