#include "config/sandbox_refuses.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace ashlar::host {

bool sandbox_refuses(const std::filesystem::path& file) noexcept {
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) != 0) return false;
  const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno == EACCES;
  ::close(fd);
  return false;
}

std::string sandbox_hint(const std::filesystem::path& file) {
  if (!sandbox_refuses(file)) return {};
  return "; it is outside of the sandbox that the server is in since it was started: restart the server, and if that "
         "does not help, name its folder in sandbox, as in sandbox = { mode = \"auto\", read = [\"FOLDER\"] }";
}

}  // namespace ashlar::host
