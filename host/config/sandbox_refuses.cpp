#include "config/sandbox_refuses.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace ashlar::host {

bool sandbox_refuses(const std::filesystem::path& file) noexcept {
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) != 0) return false;
  const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno == EACCES;
  ::close(fd);
  return false;
}

// The folder to be named is that of what a link leads to.
std::string sandbox_hint(const std::filesystem::path& file) {
  if (!sandbox_refuses(file)) return {};
  std::error_code error;
  const std::filesystem::path led_to = std::filesystem::canonical(file, error);
  const bool leads = !error && led_to != std::filesystem::absolute(file, error).lexically_normal() && !error;
  return "; it " + (leads ? "leads to " + led_to.string() + ", which " : std::string()) +
         "is outside of the sandbox that the server is in since it was started: restart the server, and if that does "
         "not help, name its folder in sandbox, as in sandbox = { mode = \"auto\", read = [\"" +
         (leads ? led_to.parent_path().string() : "FOLDER") + "\"] }";
}

}  // namespace ashlar::host
