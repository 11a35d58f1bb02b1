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
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(std::exchange(path_, {}), ignored);
}

}  // namespace ashlar::host
