// Unix sockets: who may connect to their files, and who gets one that several want.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <latch>
#include <thread>

#include "config/listen_address.hpp"
#include "listener/listener.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

namespace ashlar::host {
namespace {

struct Listening {
  explicit Listening(const ListenAddress& address) : listeners(listen(io, address)) {}
  Listener& operator*() const { return *listeners.at(0); }
  Listener* operator->() const { return listeners.at(0).get(); }
  boost::asio::io_context io;
  Listeners listeners;
};

ListenAddress at(const std::filesystem::path& path) { return parse_listen_address("unix:" + path.string(), "/"); }

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : mode_t{0};
}

bool is_there(const std::filesystem::path& path) {
  return std::filesystem::exists(std::filesystem::symlink_status(path));
}

// Connects to `name`, as in sockaddr_un; returns 0 or an errno number.
int connect_to(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int error = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

void leave_behind(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
}

struct Umask {
  explicit Umask(mode_t mask) : before(::umask(mask)) {}
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;
  ~Umask() { ::umask(before); }
  const mode_t before;
};

std::string refusal(const ListenAddress& address) {
  try {
    const Listening listening(address);
    return "none";
  } catch (const std::system_error& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("a socket's file has the mode it is given, whatever the umask; without one, what the umask leaves") {
  const TempFolder folder;
  const auto path = folder.path() / "a.sock";
  for (const mode_t mask : {0, 022, 0777}) {
    const Umask umask(mask);
    ListenAddress address = at(path);
    {
      const Listening listening(address);
      CHECK(mode_of(path) == (0777 & ~mask));
    }
    for (const mode_t mode : {0600, 0660, 0666, 0777}) {
      address.mode = mode;
      const Listening listening(address);
      CHECK(mode_of(path) == mode);
      CHECK(connect_to(path.string()) == 0);
    }
  }
}

TEST_CASE("at no time has a socket's file more rights than it is given") {
  const TempFolder folder;
  const Umask umask(0);
  ListenAddress address = at(folder.path() / "a.sock");
  address.mode = 0600;
  if (::geteuid() == 0) address.owner = address.group = 1;
  std::atomic<bool> over{false};
  std::atomic<unsigned> seen{0};
  std::thread watcher([&] {
    while (!over) seen |= mode_of(address.path);
  });
  for (int round = 0; round < 500; ++round) {
    const Listening listening(address);
    if (round == 0) CHECK(mode_of(address.path) == 0600);
  }
  over = true;
  watcher.join();
  CHECK((seen & ~0600u) == 0);
}

TEST_CASE("a socket's file has the owner and the group it is given", "[root]") {
  if (::geteuid() != 0) SKIP_CASE("needs root, who alone gives files away");
  const TempFolder folder;
  const Umask umask(022);
  ListenAddress address = at(folder.path() / "a.sock");
  struct stat status {};
  const auto check = [&](uid_t owner, gid_t group, mode_t mode) {
    const Listening listening(address);
    REQUIRE(::lstat(address.path.c_str(), &status) == 0);
    CHECK(status.st_uid == owner);
    CHECK(status.st_gid == group);
    CHECK((status.st_mode & 07777) == mode);
  };
  address.owner = 12;
  check(12, ::getegid(), 0755);
  address.group = 34;
  check(12, 34, 0755);
  address.owner.reset();
  address.mode = 0660;
  check(::geteuid(), 34, 0660);
}

TEST_CASE("a file that cannot be given its owner is not left there") {
  const TempFolder folder;
  ListenAddress address = at(folder.path() / "a.sock");
  address.owner = 12;
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    const std::string text = refusal(address);
    const bool right = text == "cannot listen on unix:" + address.path.string() +
                                   ": cannot give the socket's file to its owner and group: Operation not permitted";
    ::_exit(right && !is_there(address.path) ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("of several servers that find a socket left behind one takes it over, and stays there") {
  const TempFolder folder;
  const ListenAddress address = at(folder.path() / "a.sock");
  constexpr int servers = 3;
  for (int round = 0; round < 200; ++round) {
    leave_behind(address.path);
    std::latch start(servers), end(servers);
    std::atomic<int> listening{0}, refused{0}, unreachable{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < servers; ++i)
      threads.emplace_back([&] {
        std::optional<Listening> mine;
        start.arrive_and_wait();
        try {
          mine.emplace(address);
          ++listening;
        } catch (const std::system_error& e) {
          refused += e.code() == std::errc::address_in_use;
        }
        end.arrive_and_wait();
        if (mine && connect_to(address.path.string()) != 0) ++unreachable;
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(listening == 1);
    REQUIRE(refused == servers - 1);
    REQUIRE(unreachable == 0);
    REQUIRE_FALSE(is_there(address.path));
  }
}

TEST_CASE("a folder that somebody else has locked: what is left behind stays, as another server may be at it") {
  const TempFolder folder;
  const int locked = ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(::flock(locked, LOCK_EX) == 0);
  const ListenAddress address = at(folder.path() / "a.sock");
  {
    const Listening listening(address);
    CHECK(connect_to(address.path.string()) == 0);
  }
  leave_behind(address.path);
  CHECK(refusal(address) == "cannot listen on unix:" + address.path.string() +
                                ": it is left behind by a server that has ended; remove it, as its folder cannot be "
                                "locked: Address already in use");
  CHECK(is_there(address.path));
  ::close(locked);
  CHECK(refusal(address) == "none");
}

TEST_CASE("a file that is another's by now is not removed") {
  const TempFolder folder;
  const ListenAddress address = at(folder.path() / "a.sock");
  const Listening first(address);
  std::filesystem::rename(address.path, folder.path() / "moved.sock");
  const Listening second(address);
  first->stop();
  CHECK(connect_to(address.path.string()) == 0);
  second->stop();
  CHECK_FALSE(is_there(address.path));
}

TEST_CASE("an abstract socket has a name and no file") {
  const TempFolder folder;
  const std::string name = "ashlar-test-" + folder.path().filename().string();
  const ListenAddress address = parse_listen_address("unix:@" + name, folder.path());
  {
    const Listening listening(address);
    CHECK(listening->address() == "unix:@" + name);
    CHECK(connect_to('\0' + name) == 0);
    CHECK(refusal(address) == "cannot listen on unix:@" + name + ": Address already in use");
    CHECK(std::filesystem::is_empty(folder.path()));
  }
  CHECK(connect_to('\0' + name) == ECONNREFUSED);
}

}  // namespace ashlar::host
