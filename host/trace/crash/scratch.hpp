// Scratch: two copies of a disk in a folder that goes with them: what is durable of it, and what a power cut would have
// left, for somebody else to look at and change.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trace/crash/history.hpp"

namespace ashlar::host::traces {

class Scratch {
 public:
  // `base` is only read. `folder`: where the copies' own folder is made. Throws std::system_error, and
  // std::runtime_error when `base` is no file or block device.
  Scratch(const std::string& base, const std::string& folder);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::uint64_t size() const { return size_; }
  const std::string& image() const { return image_path_; }

  // These throw std::system_error. Writes to both copies; the image has to be as what is durable. `bytes`: those of the
  // range; none: zeroes.
  void make_durable(Range range, std::span<const std::byte> bytes);
  // Writes to the image only.
  void put(Range range, std::span<const std::byte> bytes);
  // Call it before somebody else has the image.
  void hand_out() const;
  // Makes the image as what is durable again, whatever has been done to it since. Throws std::runtime_error when it is
  // no longer there.
  void restore();

 private:
  void write(int fd, Range range, std::span<const std::byte> bytes) const;
  void remove() noexcept;

  std::string folder_, image_path_;
  std::uint64_t size_ = 0;
  int durable_ = -1, image_ = -1;
  std::vector<Range> put_;  // where the image differs, as far as it was done by put()
};

// Copies a file or block device, leaving out holes; `to` must not be there. Throws std::system_error.
void copy_disk(const std::string& from, const std::string& to);

}  // namespace ashlar::host::traces
