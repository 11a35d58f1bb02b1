#include "spawn/private_folder.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

namespace ashlar::host {

PrivateFolder::PrivateFolder(std::optional<uid_t> owner) {
  const char* const place = std::getenv("TMPDIR");
  std::string name = std::string(place != nullptr && *place == '/' ? place : "/tmp") + "/ashlarXXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "cannot make a folder for a private socket, " + name);
  path_ = name;
  if (owner && ::chown(name.c_str(), *owner, static_cast<gid_t>(-1)) != 0) {
    const int error = errno;
    remove();
    throw std::system_error(error, std::generic_category(), "cannot give " + name + " to the server's user");
  }
}

void PrivateFolder::remove() noexcept {
  if (path_.empty()) return;
  const std::filesystem::path path = std::exchange(path_, {});
  std::error_code ignored;
  for (std::filesystem::directory_iterator at(path, ignored), end; at != end; at.increment(ignored))
    ::unlink(at->path().c_str());
  ::rmdir(path.c_str());  // and nothing else: in its sandbox the server may remove folders there, and no files
}

}  // namespace ashlar::host
