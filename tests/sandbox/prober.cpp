// prober: a filter that tries what its verb names, and answers "ok" or the name of the errno number.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ashlar/control.hpp>
#include <ashlar/filter.hpp>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

using namespace ashlar;

namespace {

int result(int returned) { return returned >= 0 ? 0 : errno; }

int try_open(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  const int error = result(fd);
  if (fd >= 0) ::close(fd);
  return error;
}

template <class Address>
int try_connect(const Address& address) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int error = result(::connect(fd, reinterpret_cast<const sockaddr*>(&address.name), sizeof address.name));
  ::close(fd);
  return error;
}

struct Tcp {
  explicit Tcp(const std::string& port) {
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10)));
  }
  static int family() { return AF_INET; }
  sockaddr_in name{};
};

struct Unix {
  explicit Unix(const std::string& path) {
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  }
  static int family() { return AF_UNIX; }
  sockaddr_un name{};
};

// These do nothing where they are allowed: what they name is not there, or not traced.
int try_exec() {
  char name[] = "/nowhere/program";
  char* words[] = {name, nullptr};
  return result(::execve(name, words, environ));
}

int attempt(const std::string& what, const std::string& with) {
  if (what == "read") return try_open(with, O_RDONLY);
  if (what == "write") return try_open(with, O_WRONLY | O_CREAT);
  if (what == "remove") return result(::unlink(with.c_str()));
  if (what == "exec") return try_exec();
  if (what == "mount") return result(::mount("none", "/nowhere", "tmpfs", 0, nullptr));
  if (what == "ptrace") return result(static_cast<int>(::ptrace(PTRACE_DETACH, ::getppid(), nullptr, nullptr)));
  if (what == "tcp") return try_connect(Tcp(with));
  if (what == "unix") return try_connect(Unix(with));
  return EINVAL;
}

// A thread that is there before the server has entered its sandbox.
class OldThread {
 public:
  explicit OldThread(bool deaf) {
    sigset_t all, before;
    ::sigfillset(&all);
    if (deaf) ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    if (deaf) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ~OldThread() {
    ask([] {});
    thread_.join();
  }
  // Returns when the thread has done it. One call at a time; the last one that does nothing ends it.
  void ask(std::function<void()> task, bool last = true) {
    std::unique_lock lock(mutex_);
    task_ = std::move(task);
    last_ = last;
    changed_.notify_all();
    changed_.wait(lock, [this] { return task_ == nullptr; });
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    do {
      changed_.wait(lock, [this] { return task_ != nullptr; });
      task_();
      task_ = nullptr;
      changed_.notify_all();
    } while (!last_);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;
  bool last_ = false;
  std::thread thread_;
};

}  // namespace

class Prober final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : old(create.params.boolean("deaf")), verbs(create) {
      verbs.offer("try", "do something that may be refused", [](VerbCall& call) { answer(call, attempt); });
      verbs.offer("try-in-thread", "the same, in a thread that is older than the sandbox", [this](VerbCall& call) {
        answer(call, [this](const std::string& what, const std::string& with) {
          int error = 0;
          old.ask([&] { error = attempt(what, with); }, false);
          return error;
        });
      });
    }
    template <class Try>
    static void answer(VerbCall& call, Try attempt_it) {
      const auto& words = call.arguments();
      const int error = attempt_it(std::string(words.at(0)), words.size() > 1 ? std::string(words[1]) : "");
      call.answer(error == 0 ? "ok" : ::strerrorname_np(error));
    }
    OldThread old;
    Verbs verbs;
  };
  static constexpr Param params[] = {
      Param::boolean("deaf", "have a thread that takes no signals").or_else("false"),
  };

  Prober(Layer&, const Open& open) : Filter(open) {}
};

ASHLAR_MODULE(Prober, .name = "prober", .version = "1.0", .summary = "tries what a sandbox is to refuse",
              .threads = Threads::serial)
