#include "process.hpp"

#include <dlfcn.h>
#include <fenv.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

namespace ashlar::check {
namespace {

std::atomic<unsigned> connections{0};

std::string folder() {
  char text[PATH_MAX];
  return ::getcwd(text, sizeof text) != nullptr ? text : "";
}

// Without changing it, which another thread would notice.
std::string mode_of_new_files() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Umask:")) return line;
  return {};
}

std::string handlers() {
  std::string all;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0) continue;
    all += std::to_string(reinterpret_cast<std::uintptr_t>(action.sa_handler)) + " ";
  }
  return all;
}

std::string blocked_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::pthread_sigmask(SIG_BLOCK, nullptr, &set);
  std::string all;
  for (int number = 1; number < NSIG; ++number) all += ::sigismember(&set, number) == 1 ? '1' : '0';
  return all;
}

std::string variables() {
  std::vector<std::string> all;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) all.emplace_back(*one);
  std::sort(all.begin(), all.end());
  std::string text;
  for (const std::string& one : all) text += one + '\n';
  return text;
}

std::string limits() {
  std::string all;
  for (int what = 0; what < RLIMIT_NLIMITS; ++what) {
    rlimit limit{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(what), &limit) == 0)
      all += std::to_string(limit.rlim_cur) + "/" + std::to_string(limit.rlim_max) + " ";
  }
  return all;
}

// Whether each runs: how long it still does changes by itself.
std::string timers() {
  std::string all;
  for (const auto which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    itimerval value{};
    ::getitimer(which, &value);
    all += value.it_value.tv_sec != 0 || value.it_value.tv_usec != 0 ? "runs " : "- ";
  }
  return all;
}

}  // namespace

Process Process::now() {
  Process p;
  p.state_["the working folder"] = folder();
  p.state_["the umask"] = mode_of_new_files();
  p.state_["how a signal is handled"] = handlers();
  p.state_["which signals are blocked"] = blocked_signals();
  p.state_["the locale"] = std::setlocale(LC_ALL, nullptr);
  p.state_["the environment"] = variables();
  p.state_["a resource limit"] = limits();
  p.state_["a timer"] = timers();
  p.state_["the priority"] = std::to_string(::getpriority(PRIO_PROCESS, 0));
  p.state_["how numbers are rounded"] = std::to_string(::fegetround());
  p.state_["the user"] = std::to_string(::geteuid()) + ":" + std::to_string(::getegid());
  return p;
}

std::string Process::difference(const Process& later) const {
  for (const auto& [name, value] : state_)
    if (const auto at = later.state_.find(name); at == later.state_.end() || at->second != value) return name;
  return {};
}

unsigned connections_made() { return connections; }

}  // namespace ashlar::check

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// Calls the C library's. To dissolve a connection is none.
extern "C" __attribute__((visibility("default"))) int connect(int fd, const sockaddr* address, socklen_t length) {
  using Connect = int(int, const sockaddr*, socklen_t);
  static Connect* const real = reinterpret_cast<Connect*>(::dlsym(RTLD_NEXT, "connect"));
  if (address != nullptr && length >= sizeof address->sa_family && address->sa_family != AF_UNSPEC)
    ++ashlar::check::connections;
  return real(fd, address, length);
}

#endif
