// From a path to a Backend.
#pragma once
#include <memory>
#include <string>
#include <system_error>

#include "backend.hpp"

namespace ashlar::fileops {

struct OpenOptions {
  std::string path;
  bool read_only = false;
  bool direct = false;          // O_DIRECT
  bool exclusive = false;       // block device: O_EXCL, so that it is neither mounted nor opened so by somebody else
  bool block_only = false;      // refuse a regular file
  bool manual_zeroing = false;  // see Facts
};

// what() is the whole text: the path, the reason and what to do.
class OpenError : public std::system_error {
 public:
  OpenError(const std::string& path, int error, const std::string& why);
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Opens a regular file or a block device and finds out its facts. Throws OpenError. [control]
std::unique_ptr<Backend> open_backend(const OpenOptions& options, Syscalls& syscalls, Host host);

}  // namespace ashlar::fileops
