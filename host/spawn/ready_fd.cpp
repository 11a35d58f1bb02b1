#include "spawn/ready_fd.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <stdexcept>
#include <string_view>

#include "config/text.hpp"
#include "spawn/environment.hpp"

namespace ashlar::host {
namespace {

constexpr int patience = 1000;  // ms, for a pipe that is full to be read

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&writable, 1, patience);
    if (ready == 0) return EAGAIN;
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno;
    // A pipe that can be written to has room for so much.
    const ssize_t n = ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (n < 0 && errno != EINTR && errno != EAGAIN) return errno;
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

ReadyFd::ReadyFd(const std::string& text) {
  const auto number = whole_number(text);
  if (!number || *number > static_cast<std::uint64_t>(std::numeric_limits<int>::max()))
    throw std::invalid_argument(in_quotes(text) + " is not the number of a descriptor, such as 3");
  const int fd = static_cast<int>(*number);
  if (fd == STDIN_FILENO || fd == STDERR_FILENO)
    throw std::invalid_argument("descriptor " + text + " is " + (fd == STDIN_FILENO ? "stdin" : "stderr") +
                                "; open another one, such as 3");
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags == -1)
    throw std::invalid_argument("descriptor " + text + " is not open; open it for the server, as a shell does with " +
                                text + ">FILE");
  if ((flags & O_ACCMODE) == O_RDONLY)
    throw std::invalid_argument("descriptor " + text + " is open for reading alone; open it for writing");
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
    throw std::invalid_argument("descriptor " + text + " is a socket that clients connect to; open another one");
  if (fd > STDERR_FILENO) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  fd_ = fd;
}

int ReadyFd::tell(const std::vector<std::string>& addresses) noexcept {
  int error = ENOMEM;
  try {
    std::string text = "READY=1\n";
    for (const std::string& address : addresses) text += address + "\n";
    error = write_all(fd_, text);
  } catch (const std::bad_alloc&) {
    // Whoever waits sees the descriptor closed.
  }
  close();
  return error;
}

// The place of stdout is kept, so that nothing else that is opened gets what is printed.
void ReadyFd::close() noexcept {
  const int fd = fd_;
  fd_ = -1;
  if (fd > STDERR_FILENO) ::close(fd);
  if (fd != STDOUT_FILENO) return;
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0) return;
  ::dup2(nowhere, fd);
  ::close(nowhere);
}

}  // namespace ashlar::host
