#include "runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>

#include "promise.hpp"

namespace ashlar::check {
namespace {

using Kind = Outcome::Kind;
using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

// How the check ends, with its exceptions told.
Outcome run_here(const std::function<std::string()>& check) {
  try {
    return {Kind::kept, check()};
  } catch (const NotMade& n) {
    return {Kind::not_made, n.why};
  } catch (const Unusable& u) {
    return {Kind::unusable, u.why};
  } catch (const Broken& b) {
    return {Kind::broken, b.how};
  } catch (const std::exception& e) {
    return {Kind::broken, e.what()};
  }
}

// What the process of a check writes to stdout goes here: nothing is to be written there.
class Stdout {
 public:
  Stdout() : fd_(::memfd_create("stdout", MFD_CLOEXEC)) {
    if (fd_ >= 0) ::dup2(fd_, STDOUT_FILENO);
  }
  std::string written() const {
    std::fflush(stdout);
    char text[80];
    const ssize_t n = ::pread(fd_, text, sizeof text, 0);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
  }

 private:
  const int fd_;
};

// The life of the child.
[[noreturn]] void be_the_child(const std::function<std::string()>& check, int result) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // who forks away is seen, too
  const Stdout out;
  Outcome outcome = run_here(check);
  if (outcome.kind != Kind::broken) {
    std::string text = out.written();
    if (!text.empty()) outcome = {Kind::broken, "it wrote to stdout: " + text.substr(0, text.find('\n'))};
    else if (::waitpid(-1, nullptr, WNOHANG | __WALL) >= 0) outcome = {Kind::broken, "it started a process"};
  }
  const std::string told = std::to_string(static_cast<int>(outcome.kind)) + outcome.text;
  for (std::size_t done = 0; done < told.size();) {
    const ssize_t n = ::write(result, told.data() + done, told.size() - done);
    if (n <= 0) ::_exit(1);
    done += static_cast<std::size_t>(n);
  }
  if (sanitized) std::exit(0);  // it tells what it has found only then
  ::_exit(0);
}

// Ends the child with what it may have forked, and returns how it ended.
int reap(pid_t child) {
  int status = 0;
  ::kill(-child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// Reads what there is; whether the other end is still open.
bool read_some(int fd, std::string& into) {
  char part[4096];
  for (;;) {
    const ssize_t n = ::read(fd, part, sizeof part);
    if (n > 0) into.append(part, static_cast<std::size_t>(n));
    else if (n == 0) return false;
    else if (errno != EINTR) return errno == EAGAIN;
  }
}

Outcome ended(int status, const std::string& told, const std::string& doing) {
  const std::string where = doing.empty() ? "" : ", " + doing;
  if (WIFSIGNALED(status))
    return {Kind::broken, std::string("it ended the process: ") + ::strsignal(WTERMSIG(status)) + where, false};
  if (told.empty() || told[0] < '0' || told[0] > '3') return {Kind::broken, "it ended the process" + where, false};
  if (WEXITSTATUS(status) != 0) return {Kind::broken, "a sanitizer has found a mistake: see stderr", false};
  return {static_cast<Kind>(told[0] - '0'), told.substr(1)};
}

}  // namespace

Outcome Runner::run(const std::function<std::string()>& check) {
  watch_.clear();
  if (in_process_) return run_here(check);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "no pipe");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "no process");
  if (child == 0) {
    ::close(ends[0]);
    be_the_child(check, ends[1]);
  }
  ::setpgid(child, child);
  ::close(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const Outcome outcome = wait_for(child, ends[0]);
  ::close(ends[0]);
  return outcome;
}

Outcome Runner::time_is_over() const {
  return {Kind::not_tried, std::to_string(all_in_all_.count()) + " seconds are over", false};
}

Outcome Runner::wait_for(int child, int result) {
  std::string told;
  bool open = true;
  std::uint64_t steps = watch_.steps();
  Clock::time_point step = Clock::now();
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child) {
      if (open) read_some(result, told);
      return ended(reap(child), told, watch_.doing());
    }
    const Clock::time_point now = Clock::now();
    if (const std::uint64_t n = watch_.steps(); n != steps) {
      steps = n;
      step = now;
    }
    const bool hangs = now - step > patience;
    if (hangs || now > end_) {
      const std::string doing = watch_.doing();
      reap(child);
      const std::string where = doing.empty() ? "" : ", " + doing;
      if (!hangs) return time_is_over();
      return {Kind::broken, "it hangs: nothing for " + std::to_string(patience.count()) + " seconds" + where, false,
              true};
    }
    pollfd wait{result, POLLIN, 0};
    if (!open) std::this_thread::sleep_for(1ms);
    else if (::poll(&wait, 1, 20) > 0) open = read_some(result, told);
  }
}

}  // namespace ashlar::check
