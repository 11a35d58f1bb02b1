// From a path to a Backend.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string>
#include <system_error>

#include "backend.hpp"

namespace ashlar::fileops {

struct OpenOptions {
  std::string path;
  bool read_only = false;
  bool direct = false;          // O_DIRECT
  bool exclusive = false;       // O_EXCL, so that it is neither mounted nor opened so by somebody else; refuses a file
  bool block_only = false;      // refuse a regular file
  bool manual_zeroing = false;  // see Facts
  bool extents = true;          // false: holes are neither looked for nor told of
};

// what() is the whole text: the path, the reason and what to do.
class OpenError : public std::system_error {
 public:
  OpenError(const std::string& path, int error, const std::string& why);
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Which file or device it is, whatever path leads to it. As long as it is open, no other has the same.
struct Identity {
  Kind kind = Kind::file;
  dev_t device = 0;            // file: the file system's; block device: its own
  ino_t inode = 0;             // file
  std::uint64_t sequence = 0;  // block device: changes when a number is given to another disk (Linux 5.15; before: 0)

  friend bool operator==(const Identity&, const Identity&) = default;
};

// What `options.path` leads to, without opening it. Throws OpenError, also for what cannot be served. [control]
Identity identify(const OpenOptions& options);

// Opens a regular file or a block device and finds out its facts. Throws OpenError; with ESTALE when the path does not
// lead to `identity` any more. [control]
std::unique_ptr<Backend> open_backend(const OpenOptions& options, const Identity& identity, Syscalls& syscalls,
                                      Host host);

}  // namespace ashlar::fileops
