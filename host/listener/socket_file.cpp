#include "listener/socket_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

namespace ashlar::host {
namespace {

// Other servers have the lock for less than a millisecond; who has it for longer does other things with it.
constexpr std::chrono::milliseconds lock_patience{1000}, lock_pause{5};

// A lock on the folder of a unix socket (flock(2)), which all servers take that look whether a socket is left behind.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : fd_(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    const auto give_up = std::chrono::steady_clock::now() + lock_patience;
    while (fd_ >= 0 && !(held_ = ::flock(fd_, LOCK_EX | LOCK_NB) == 0)) {
      if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() >= give_up) return;
      std::this_thread::sleep_for(lock_pause);
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool held() const { return held_; }

 private:
  const int fd_;
  bool held_ = false;
};

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The config has seen to it that it fits, with its NUL.
  std::memcpy(address.sun_path, path.c_str(), std::min(path.native().size(), sizeof address.sun_path - 1));
  return address;
}

// Whether `path` is a socket that nobody listens at.
bool is_left_behind(const std::filesystem::path& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0 || !S_ISSOCK(there.st_mode)) return false;
  // Non-blocking, so that a live server with a full backlog answers EAGAIN instead of letting us wait.
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const sockaddr_un address = address_of(path);
  const bool refused =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

}  // namespace

SocketFile::SocketFile(int fd, const ListenAddress& address, int backlog) : path_(address.path) {
  const FolderLock lock(path_.parent_path());
  // The file gets the rights that the socket has, less those of the umask. (bind(2) of Linux)
  if (address.mode && ::fchmod(fd, 0) != 0) fail(errno);
  bind(fd);
  if (!bound_) take_over(fd, lock.held());
  try {
    give_rights(address);
    if (::listen(fd, backlog) != 0) fail(errno);
  } catch (...) {
    remove();
    throw;
  }
}

void SocketFile::bind(int fd) {
  const sockaddr_un address = address_of(path_);
  bound_ = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!bound_ && errno != EADDRINUSE) fail(errno);
  if (struct stat made{}; bound_ && ::lstat(path_.c_str(), &made) == 0) {
    inode_ = made.st_ino;
    device_ = made.st_dev;
  }
}

// `alone`: no other server can be at it, too, and have put its own socket there between the look and the removal.
void SocketFile::take_over(int fd, bool alone) {
  if (!is_left_behind(path_)) fail(EADDRINUSE);
  if (!alone)
    fail(EADDRINUSE, ": it is left behind by a server that has ended; remove it, as its folder cannot be locked");
  ::unlink(path_.c_str());
  bind(fd);
  if (!bound_) fail(EADDRINUSE);
}

void SocketFile::give_rights(const ListenAddress& address) {
  constexpr uid_t same_user = static_cast<uid_t>(-1);
  constexpr gid_t same_group = static_cast<gid_t>(-1);
  if ((address.owner || address.group) &&
      ::lchown(path_.c_str(), address.owner.value_or(same_user), address.group.value_or(same_group)) != 0)
    fail(errno, ": cannot give the socket's file to its owner and group");
  if (!address.mode) return;
  // Without /proc, glibc cannot change what is surely no link.
  if (::fchmodat(AT_FDCWD, path_.c_str(), *address.mode, AT_SYMLINK_NOFOLLOW) != 0 &&
      (errno != EOPNOTSUPP || ::chmod(path_.c_str(), *address.mode) != 0))
    fail(errno, ": cannot set the mode of the socket's file");
}

void SocketFile::remove() {
  struct stat now {};
  const bool ours = bound_ && ::lstat(path_.c_str(), &now) == 0 && now.st_ino == inode_ && now.st_dev == device_;
  if (ours) ::unlink(path_.c_str());
  bound_ = false;
}

void SocketFile::fail(int error, const std::string& what) const {
  throw std::system_error(error, std::generic_category(), "cannot listen on unix:" + path_.string() + what);
}

}  // namespace ashlar::host
