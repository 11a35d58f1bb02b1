#include "helper.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <ctime>

namespace helper {
namespace {

constexpr int exec_failed = 127;
constexpr int usual_patience = 3000, little_patience = 100;  // ms; for the program to end by itself

// Where the descriptors lie in the helper. The program finds its socket at 3, as sd_listen_fds(3) has it.
constexpr int socket_fd = 3, listener_fd = 4, output_fd = 5, signals_fd = 6, first_other = 7;
constexpr int out_of_the_way = 200;
constexpr int first_handed = 3;

class Helper {
 public:
  explicit Helper(const Plan& plan) : plan_(plan) {}
  [[noreturn]] void run();

 private:
  void become();
  void hear_signals();
  void start(const Start& as);
  [[noreturn]] void become_program(const Start& as, int failure);
  void hear(Word word);
  void reap();
  void end_program();
  void tell(Told::Kind kind, int value) {
    const Told told{kind, value};
    static_cast<void>(::send(socket_fd, &told, sizeof told, MSG_NOSIGNAL));
  }

  const Plan& plan_;
  pid_t program_ = -1;
  int patience_ = usual_patience;
};

// Nothing of the server stays but what is needed, so that no file or connection is kept open by it. A terminal's
// Ctrl-C, and who stops all processes of a service, end the server first.
void Helper::become() {
  ::setsid();
  ::prctl(PR_SET_NAME, "ashlar-nbd");  // as ps(1) shows it
  const int from[] = {plan_.socket, plan_.listener, plan_.output};
  int aside[3];
  for (int i = 0; i < 3; ++i) aside[i] = ::fcntl(from[i], F_DUPFD_CLOEXEC, out_of_the_way);
  for (int i = 0; i < 3; ++i)
    if (aside[i] < 0 || ::dup3(aside[i], socket_fd + i, O_CLOEXEC) < 0) ::_exit(1);
  ::syscall(SYS_close_range, signals_fd, UINT_MAX, 0);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    if (null > 2) ::close(null);
  }
  hear_signals();
}

void Helper::hear_signals() {
  struct sigaction how {};
  for (int one = 1; one < _NSIG; ++one) {
    how.sa_handler = one == SIGTERM || one == SIGINT || one == SIGHUP || one == SIGPIPE ? SIG_IGN : SIG_DFL;
    ::sigaction(one, &how, nullptr);
  }
  sigset_t all, ended;
  sigemptyset(&all);
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &ended, nullptr);
  const int made = ::signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
  if (made < 0) ::_exit(1);
  if (made != signals_fd) {
    ::dup3(made, signals_fd, O_CLOEXEC);
    ::close(made);
  }
}

void Helper::run() {
  become();
  for (;;) {
    pollfd both[] = {{socket_fd, POLLIN, 0}, {signals_fd, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0 && errno != EINTR) break;
    if (both[1].revents != 0) reap();
    if (both[0].revents == 0) continue;
    Start as{};
    const ssize_t n = ::recv(socket_fd, &as, sizeof as, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    Word word{};
    std::memcpy(&word, &as, sizeof word);
    if (n == sizeof word) hear(word);
    else start(as);
  }
  end_program();
  ::_exit(0);
}

void Helper::hear(Word word) {
  if (word == Word::hurry) patience_ = little_patience;
  else end_program();
}

void Helper::start(const Start& as) {
  end_program();
  int failure[2];
  if (::pipe2(failure, O_CLOEXEC) != 0) return tell(Told::Kind::not_started, errno);
  const pid_t made = fork_alone();
  if (made == 0) {
    ::close(failure[0]);
    become_program(as, failure[1]);
  }
  const int why_no_fork = errno;
  ::close(failure[1]);
  int error = made < 0 ? why_no_fork : 0;
  ssize_t n = 0;
  do n = ::read(failure[0], &error, sizeof error);
  while (n < 0 && errno == EINTR);
  ::close(failure[0]);
  if (error == 0) {
    program_ = made;
    return tell(Told::Kind::started, made);
  }
  if (made > 0) ::waitpid(made, nullptr, 0);
  tell(Told::Kind::not_started, error);
}

void write_digits(pid_t number, char* to) {
  char digits[16];
  int n = 0;
  for (unsigned left = static_cast<unsigned>(number); left != 0; left /= 10)
    digits[n++] = static_cast<char>('0' + left % 10);
  while (n != 0) *to++ = digits[--n];
  *to = '\0';
}

void Helper::become_program(const Start& as, int failure) {
  const bool is_root = ::geteuid() == 0;
  bool well = true;
  if (is_root && as.user != 0)
    well = ::syscall(SYS_setgroups, static_cast<std::size_t>(as.n_groups), as.groups.data()) == 0 &&
           ::syscall(SYS_setresgid, as.group, as.group, as.group) == 0 &&
           ::syscall(SYS_setresuid, as.user, as.user, as.user) == 0;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct sigaction how {};
  how.sa_handler = SIG_DFL;
  for (int one = 1; one < _NSIG; ++one) ::sigaction(one, &how, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  write_digits(::getpid(), plan_.listen_pid);
  well = well && ::dup2(output_fd, 1) >= 0 && ::dup2(output_fd, 2) >= 0 && ::dup2(listener_fd, first_handed) >= 0;
  if (well) ::execve(plan_.program, plan_.words, plan_.environment);
  const int error = errno;
  static_cast<void>(!::write(failure, &error, sizeof error));
  ::_exit(exec_failed);
}

void Helper::reap() {
  signalfd_siginfo ignored[8];
  while (::read(signals_fd, ignored, sizeof ignored) > 0) continue;
  int status = 0;
  if (program_ <= 0 || ::waitpid(program_, &status, WNOHANG) != program_) return;
  program_ = -1;
  tell(Told::Kind::ended, status);
}

// A program that does not end by itself is killed.
void Helper::end_program() {
  if (program_ <= 0) return;
  ::kill(program_, SIGTERM);
  pollfd ends{signals_fd, POLLIN, 0};
  timespec begun{}, now{};
  ::clock_gettime(CLOCK_MONOTONIC, &begun);
  for (int left = patience_; left > 0 && program_ > 0;) {
    ::poll(&ends, 1, left);
    reap();
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    left = patience_ - static_cast<int>((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000);
  }
  if (program_ <= 0) return;
  ::kill(program_, SIGKILL);
  int status = 0;
  while (::waitpid(program_, &status, 0) < 0 && errno == EINTR) continue;
  program_ = -1;
  tell(Told::Kind::ended, status);
}

}  // namespace

void run(const Plan& plan) { Helper(plan).run(); }

}  // namespace helper
