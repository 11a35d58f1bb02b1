#include "temporary.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace ashlar::fileops {

Fd temporary_file(const std::string& folder, std::uint64_t bytes) {
  Fd fd{::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  // Not every file system can have files without a name from the start.
  if (!fd.valid() && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string name = folder + "/ashlar.XXXXXX";
    fd = Fd{::mkostemp(name.data(), O_CLOEXEC)};
    if (fd.valid()) ::unlink(name.c_str());
  }
  const auto fail = [](const std::string& what) { throw std::system_error(errno, std::generic_category(), what); };
  if (!fd.valid()) fail("cannot make a file in " + folder);
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    fail("cannot make a file of " + std::to_string(bytes) + " bytes in " + folder);
  return fd;
}

void must_be_folder(const std::string& folder) {
  struct stat facts {};
  const bool is_there = ::stat(folder.c_str(), &facts) == 0;
  const int error = !is_there ? errno : S_ISDIR(facts.st_mode) ? 0 : ENOTDIR;
  if (error == ENOENT || error == ENOTDIR)
    throw std::system_error(error, std::generic_category(), "cannot make a file in " + folder);
}

}  // namespace ashlar::fileops
