// What the kernel tells of an opened file or device.
#pragma once
#include <sys/stat.h>

#include <optional>
#include <string>

#include "backend.hpp"

namespace ashlar::fileops {

// Block sizes up to this one are taken (64 KiB is the largest minimum that a geometry can tell).
inline constexpr std::uint32_t block_max = 65536;

// Throws std::system_error when the size of a device cannot be read; what else cannot be read gets a value that is
// always right.
Facts find_facts(Kind kind, int fd, const struct stat& status);

// From where on requests go through the page cache: where a last part of a block is left, 64 KiB and less go with it,
// so that no page is written both ways. A page written back late would undo a direct write to its first half.
constexpr std::uint64_t direct_end(std::uint64_t size, std::uint32_t direct_block) {
  return size % direct_block == 0 ? UINT64_MAX : size - size % block_max;
}

// Fills in what direct I/O needs; `fd` was opened with O_DIRECT. Returns why it is not possible, or nothing.
std::string find_direct_facts(int fd, Facts& facts);

// The folder in sysfs of a block device (Documentation/ABI/stable/sysfs-block).
std::string sysfs_folder(dev_t device);
// A number in a file of a device's sysfs folder, or of its disk's if it is a partition: "queue/discard_granularity".
// None: the file does not exist or holds something else.
std::optional<std::uint64_t> device_number(const std::string& folder, const std::string& file);

}  // namespace ashlar::fileops
