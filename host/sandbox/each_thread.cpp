#include "sandbox/each_thread.hpp"

#include <dirent.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

namespace ashlar::host {
namespace {

constexpr std::chrono::seconds patience{10};  // with a thread that does not take the signal, though it might
constexpr std::chrono::milliseconds between_looks{100};

std::atomic<const PerThread*> act_of_each{nullptr};
std::atomic<int> last_result{0};
std::atomic<pid_t> last_done{0};
sem_t done;

pid_t this_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// A thread that has had the signal blocked may come here at any time.
void on_signal(int) {
  const int before = errno;
  last_result = act_of_each.load()->act();
  last_done = this_thread();
  ::sem_post(&done);
  errno = before;
}

// None: they cannot be listed.
std::set<pid_t> threads_now() {
  std::set<pid_t> all;
  DIR* const folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return all;
  while (const dirent* entry = ::readdir(folder))
    if (entry->d_name[0] != '.') all.insert(static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10)));
  ::closedir(folder);
  return all;
}

std::string name_of(pid_t thread) {
  std::string name;
  std::getline(std::ifstream("/proc/self/task/" + std::to_string(thread) + "/comm"), name);
  return name.empty() ? std::to_string(thread) : name;
}

bool has_signal_blocked(pid_t thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/status");
  constexpr std::string_view key = "SigBlk:";
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key))
      return ((std::strtoull(line.c_str() + key.size(), nullptr, 16) >> (SIGRTMAX - 1)) & 1) != 0;
  return false;
}

bool is_there(pid_t thread) { return ::syscall(SYS_tgkill, ::getpid(), thread, 0) == 0; }

// Until the next thread has done it, or for a while.
void wait_for_one() {
  const auto end = (std::chrono::system_clock::now() + between_looks).time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(end);
  const timespec until{.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(end - seconds).count()};
  static_cast<void>(::sem_timedwait(&done, &until));
}

// Has `thread` do it. Returns why it has not, in words; empty: it has, or it has ended.
std::string have_do(pid_t thread) {
  if (::syscall(SYS_tgkill, ::getpid(), thread, SIGRTMAX) != 0) return {};
  const auto end = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < end) {
    wait_for_one();
    if (last_done == thread) return last_result == 0 ? "" : std::strerror(last_result);
    if (!is_there(thread)) return {};
    if (has_signal_blocked(thread)) return "it has the signal SIGRTMAX blocked";
  }
  return "it does not take the signal SIGRTMAX";
}

}  // namespace

std::vector<std::string> on_each_thread(std::shared_ptr<const PerThread> what) {
  const auto& kept = *new std::shared_ptr<const PerThread>(std::move(what));  // never destroyed: see on_signal
  act_of_each = kept.get();
  ::sem_init(&done, 0, 0);
  struct sigaction action {};
  action.sa_handler = &on_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(SIGRTMAX, &action, nullptr) != 0) throw std::system_error(errno, std::generic_category(), "SIGRTMAX");
  std::vector<std::string> left;
  if (const int error = kept->act(); error != 0) left.push_back(name_of(this_thread()) + ": " + std::strerror(error));
  std::set<pid_t> seen{this_thread()};
  for (bool found = true; found;) {
    found = false;
    const std::set<pid_t> all = threads_now();
    if (all.empty()) left.push_back("all others: they cannot be listed without /proc");
    for (const pid_t thread : all) {
      if (!seen.insert(thread).second) continue;
      found = true;
      if (const std::string why = have_do(thread); !why.empty()) left.push_back(name_of(thread) + ": " + why);
    }
  }
  return left;
}

}  // namespace ashlar::host
