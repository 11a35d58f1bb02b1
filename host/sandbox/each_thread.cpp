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
#include <system_error>

namespace ashlar::host {
namespace {

constexpr std::chrono::seconds patience{1};  // with a thread that does not take the signal

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

std::set<pid_t> threads_now() {
  DIR* const folder = ::opendir("/proc/self/task");
  if (folder == nullptr) throw std::system_error(errno, std::generic_category(), "/proc/self/task");
  std::set<pid_t> all;
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

// What has come of it in `thread`: 0, an errno number, or -1: it does not take the signal.
int wait_for(pid_t thread) {
  const auto end = std::chrono::system_clock::now() + patience;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(end);
  const timespec until{.tv_sec = seconds, .tv_nsec = 999'999'999};
  for (;;) {
    if (::sem_timedwait(&done, &until) != 0 && errno == ETIMEDOUT) return -1;
    if (last_done == thread) return last_result;
  }
}

// Adds to `left`, if it has not worked.
void have_do(pid_t thread, std::vector<std::string>& left) {
  if (::syscall(SYS_tgkill, ::getpid(), thread, SIGRTMAX) != 0) return;  // it has ended
  const int result = wait_for(thread);
  if (result == 0) return;
  left.push_back(name_of(thread) + ": " + (result < 0 ? "it has the signal SIGRTMAX blocked" : std::strerror(result)));
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
  std::set<pid_t> seen{this_thread()};
  if (const int error = kept->act(); error != 0) left.push_back(name_of(this_thread()) + ": " + std::strerror(error));
  for (bool found = true; found;) {
    found = false;
    for (const pid_t thread : threads_now()) {
      if (!seen.insert(thread).second) continue;
      found = true;
      have_do(thread, left);
    }
  }
  return left;
}

}  // namespace ashlar::host
