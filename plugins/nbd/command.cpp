#include "command.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <ashlar/params.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "patience.hpp"
#include "printable.hpp"

using namespace ashlar;

namespace {

constexpr std::size_t longest_line = 900;
constexpr char in_sandbox[] =
    "from within the server's sandbox no program can be started: an export that comes while the server runs, or is of "
    "a "
    "template, needs a restart, or [server] sandbox = \"off\"";

std::string text_of(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

OwnedFd must(int fd, const char* what) {
  if (fd < 0) fail(what);
  return OwnedFd(fd);
}

bool is_program(const std::string& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && S_ISREG(there.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

// As execvp(3) would find it.
std::string found_program(const std::string& name) {
  if (name.find('/') != name.npos) {
    if (!is_program(name)) throw BadParameter("command", name + " is no program that can be started");
    return name;
  }
  const char* const path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t at = 0; at <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', at), folders.size());
    const std::string candidate = folders.substr(at, end - at) + "/" + name;
    if (end != at && is_program(candidate)) return candidate;
    at = end + 1;
  }
  throw BadParameter("command", "there is no program " + name + " in $PATH", ENOENT);
}

std::string how_ended(int status) {
  if (WIFSIGNALED(status)) return std::string("has been ended by the signal ") + ::strsignal(WTERMSIG(status));
  return "has ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Command::Command(const std::vector<std::string>& words, const Host& host) : words_(words), host_(host) {
  program_ = found_program(words.front());
  name_ = words.front().substr(words.front().rfind('/') + 1);
  listen();
  make_environment();
  fork_helper();
  try {
    thread_ = std::thread([this] { watch(); });
  } catch (...) {
    end_helper();
    throw;
  }
}

Command::~Command() { end_helper(); }

// What it has started ends, too.
void Command::end_helper() {
  ::shutdown(helper_.get(), SHUT_WR);
  if (thread_.joinable()) thread_.join();
  while (::waitpid(helper_process_, nullptr, 0) < 0 && errno == EINTR) continue;
}

// In a folder that only this user may enter, which is gone again when the socket is: a socket can be reached by its
// descriptor, too, and so nothing is left behind, whatever happens.
void Command::listen() {
  const char* const folder = std::getenv("TMPDIR");
  std::string made = std::string(folder != nullptr && *folder == '/' ? folder : "/tmp") + "/ashlar-nbd-XXXXXX";
  if (::mkdtemp(made.data()) == nullptr) {
    const int error = errno;
    const bool is_refused = error == EACCES || error == EPERM;
    throw BadParameter("command",
                       "a folder for a socket, " + made + ", cannot be made: " + text_of(error) +
                           (is_refused ? std::string("; ") + in_sandbox : ""),
                       error);
  }
  const std::string path = made + "/socket";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  listener_ = must(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  int error = path.size() < sizeof address.sun_path ? 0 : ENAMETOOLONG;
  if (error == 0) {
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const bool well = ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                      ::listen(listener_.get(), SOMAXCONN) == 0 &&
                      ::chmod(path.c_str(), 0666) == 0;  // the server may become another user
    if (!well) error = errno;
    place_ = OwnedFd(well ? ::open(path.c_str(), O_PATH | O_CLOEXEC) : -1);
    if (well && place_.get() < 0) error = errno;
    ::unlink(path.c_str());
  }
  ::rmdir(made.c_str());
  if (error != 0) throw std::system_error(error, std::generic_category(), path);
  socket_ = "/proc/self/fd/" + std::to_string(place_.get());
}

// That of the server, but for what is meant for the server alone.
void Command::make_environment() {
  for (char* const* one = environ; *one != nullptr; ++one) {
    const std::string_view text = *one;
    const bool is_ours =
        std::ranges::any_of(std::array{"LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "CREDENTIALS_DIRECTORY="},
                            [&](std::string_view name) { return text.starts_with(name); });
    if (!is_ours) environment_.emplace_back(text);
  }
  environment_.emplace_back("LISTEN_FDS=1");
}

void Command::fork_helper() {
  int ends[2], pipe[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  helper_ = OwnedFd(ends[0]);
  const OwnedFd theirs(ends[1]);
  if (::pipe2(pipe, O_CLOEXEC) != 0) fail("pipe");
  output_ = OwnedFd(pipe[0]);
  const OwnedFd prints(pipe[1]);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  std::vector<char*> words, environment;
  for (std::string& word : words_) words.push_back(word.data());
  words.push_back(nullptr);
  constexpr char name[] = "LISTEN_PID=";
  std::memcpy(listen_pid_.data(), name, sizeof name);
  for (std::string& one : environment_) environment.push_back(one.data());
  environment.push_back(listen_pid_.data());
  environment.push_back(nullptr);
  const helper::Plan plan{.socket = theirs.get(),
                          .listener = listener_.get(),
                          .output = prints.get(),
                          .program = program_.c_str(),
                          .words = words.data(),
                          .environment = environment.data(),
                          .listen_pid = listen_pid_.data() + sizeof name - 1};
  // No signal of the server's is to be handled in the copy.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  helper_process_ = helper::fork_alone();
  if (helper_process_ == 0) helper::run(plan);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (helper_process_ < 0) throw std::system_error(error, std::generic_category(), "fork");
}

std::uint64_t Command::start() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !starts_ && !(runs_ && ends_); });
  if (runs_) return started_;
  // Those who wait at the socket of the one before have given up: the next one would take them for its first clients.
  ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  for (int fd = -1; (fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) ::close(fd);
  ::fcntl(listener_.get(), F_SETFL, 0);
  helper::Start as{};
  as.user = ::geteuid();
  as.group = ::getegid();
  const int n = ::getgroups(static_cast<int>(as.groups.size()), as.groups.data());
  as.n_groups = n > 0 ? static_cast<std::uint32_t>(n) : 0;
  starts_ = true;
  start_error_ = 0;
  first_line_.clear();
  last_line_.clear();
  if (::send(helper_.get(), &as, sizeof as, MSG_NOSIGNAL) < 0) {
    starts_ = false;
    throw Unreachable("what starts " + name_ + " is gone: " + text_of(errno));
  }
  changed_.wait(lock, [this] { return !starts_; });
  if (start_error_ == 0) return started_;
  if (start_error_ == EPERM) throw Unreachable(name_ + " cannot be started: " + in_sandbox);
  throw Unreachable(name_ + " cannot be started: " + text_of(start_error_));
}

std::string Command::why_ended(std::uint64_t start) {
  const std::lock_guard lock(mutex_);
  if (runs_ && started_ == start) return "";
  if (first_line_.empty()) return ended_;
  // What is wrong stands in the first or the last, as a rule, and how it is to be called between them.
  return ended_ + "; it said: " + first_line_ + (last_line_.empty() ? "" : " … " + last_line_);
}

void Command::end_program() {
  const std::lock_guard lock(mutex_);
  ends_ = runs_;
  const helper::Word word = helper::Word::end;
  static_cast<void>(::send(helper_.get(), &word, sizeof word, MSG_NOSIGNAL));
}

void Command::hurry() {
  const helper::Word word = helper::Word::hurry;
  static_cast<void>(::send(helper_.get(), &word, sizeof word, MSG_NOSIGNAL));
}

// Until the helper is gone, and with it who may print.
void Command::watch() noexcept {
  for (bool helper_is_there = true, prints = true; helper_is_there;) {
    pollfd both[] = {{helper_.get(), POLLIN, 0}, {prints ? output_.get() : -1, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0) continue;
    try {
      helper::Told told{};
      const ssize_t n = ::recv(helper_.get(), &told, sizeof told, MSG_DONTWAIT);
      prints = prints && read_output();  // behind it: when it tells of the end, all that was printed is there
      if (n == sizeof told) take(told);
      helper_is_there = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    } catch (const std::bad_alloc&) {
      // A line is lost.
    }
  }
  ended();
}

void Command::ended() noexcept {
  try {
    log_line(unfinished_);
  } catch (const std::bad_alloc&) {
    // Likewise.
  }
  const std::lock_guard lock(mutex_);
  if (starts_) start_error_ = ECHILD;
  runs_ = starts_ = false;
  changed_.notify_all();
}

// What has come so far; false: nothing more can come.
bool Command::read_output() {
  char text[4096];
  ssize_t n = -1;
  while ((n = ::read(output_.get(), text, sizeof text)) > 0) take_output({text, static_cast<std::size_t>(n)});
  return n != 0;
}

void Command::take(const helper::Told& told) {
  const std::lock_guard lock(mutex_);
  switch (told.kind) {
    case helper::Told::Kind::started:
      runs_ = true;
      ends_ = false;
      ++started_;
      starts_ = false;
      host_.log(Level::info, "%s is started, process %d", name_.c_str(), told.value);
      break;
    case helper::Told::Kind::not_started:
      start_error_ = told.value;
      starts_ = false;
      break;
    case helper::Told::Kind::ended:
      runs_ = false;
      ended_ = name_ + " " + how_ended(told.value);
      host_.log(Level::info, "%s", ended_.c_str());
      break;
  }
  changed_.notify_all();
}

void Command::take_output(std::string_view text) {
  for (const char c : text) {
    if (c != '\n' && unfinished_.size() < longest_line) {
      unfinished_ += c;
      continue;
    }
    log_line(unfinished_);
    unfinished_.clear();
    if (c != '\n') unfinished_ += c;
  }
}

void Command::log_line(std::string_view line) {
  if (line.empty()) return;
  std::string text = printable::text(line);
  host_.log(Level::info, "%s: %s", name_.c_str(), text.c_str());
  const std::lock_guard lock(mutex_);
  (first_line_.empty() ? first_line_ : last_line_) = std::move(text);
}
