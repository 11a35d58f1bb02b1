// Disk images that are more than the bytes of a disk. They are served as they are, which is seldom what was meant.
#pragma once
#include <ashlar/host.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace ashlar::fileops {

// The format, as qemu-img calls it, of an image that begins with the bytes `head` and ends with `tail`, 512 each or all
// there are; nullptr: none that is known. Pure.
const char* image_format(std::string_view head, std::string_view tail);

// A layer's warning that what it serves is such an image.
class FormatHint {
 public:
  // `path`: of a regular file or a block device.
  FormatHint(std::string path, Host host) : path_(std::move(path)), host_(host) {}

  // Called once the file could be opened; looks at its first and last bytes, and warns if need be. Later calls do
  // nothing, as each first client opens the file anew. [control, any thread]
  void give_once() noexcept { std::call_once(given_, &FormatHint::give, this); }

 private:
  void give() const noexcept;

  const std::string path_;
  const Host host_;
  std::once_flag given_;
};

}  // namespace ashlar::fileops
