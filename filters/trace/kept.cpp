#include "kept.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "format/file_reader.hpp"
#include "format/file_writer.hpp"

namespace ashlar::trace {

bool is_written(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return false;
  // Shared: who only looks at the file may hold it so.
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return locked;
}

Before what_is_in(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 ? errno == ENOENT : status.st_size == 0) return {};
  Listener nobody;
  Record record;
  try {
    FileReader reader(path, nobody);
    Before before{.has_records = reader.segments().size() > 1, .run = reader.segments().back().run};
    reader.go_to_last_segment();
    while (reader.next(record)) before.has_records = true;
    if (reader.completeness().dropped != 0) before.has_records = true;  // what it tells of them
    before.ended = reader.completeness().ended;
    return before;
  } catch (const TraceError& e) {
    if (is_written(path)) throw BeingWritten("\"" + path + "\" is being written by another layer, or another server");
    throw std::invalid_argument(std::string("what is there is kept, as it cannot be read: ") + e.what());
  }
}

std::string move_away(const std::string& file, const std::string& path, std::uint64_t first, std::uint64_t most) {
  for (std::uint64_t n = first; n != first + most; ++n) {
    std::string to = path + (n == 0 ? "" : "." + std::to_string(n));
    if (::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return to;
    if (errno != EEXIST)
      throw MustStay("cannot rename \"" + file + "\", which has to be kept, to \"" + to +
                     "\": " + std::strerror(errno));
  }
  throw MustStay("\"" + file + "\" has to be kept and stays where it is, as there are " + std::to_string(most) +
                 " files of \"" + path + "\": move them away");
}

}  // namespace ashlar::trace
