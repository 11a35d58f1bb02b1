// Probe: what a file system or a block device can do, found out before a disk is trusted to it.
//
// probe.cpp makes out what the path is and keeps a scratch file beside it, scratch.cpp tries the methods on that file,
// ask.cpp learns what can be learned without writing.
#pragma once
#include <ashlar/probe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fileops/backend.hpp"

namespace ashlar::fileops {

struct Finding {
  std::string name;
  Supported supported = Supported::unknown;
  std::string note;  // one line
};
using Findings = std::vector<Finding>;

// What sysfs tells of a block device (Documentation/ABI/stable/sysfs-block).
struct DeviceLimits {
  std::uint64_t write_zeroes_max = 0;  // bytes that one command of the device zeroes; 0: it has none
  std::uint64_t discard_max = 0;       // likewise
};

// The size of the scratch file that try_on_scratch() takes.
inline constexpr std::uint64_t scratch_bytes = 64u << 20;

// Tries each method on a file that is one hole of scratch_bytes, opened for reading and writing, and compares what it
// leaves with what it should.
Findings try_on_scratch(Syscalls& syscalls, int fd);

// Asks, and changes nothing: `fd` is opened for reading alone, so that the kernel refuses every call that would change
// something, with EBADF where it has the call. `limits`: of a block device, where they are known.
Findings ask(Syscalls& syscalls, int fd, const Facts& facts, const std::optional<DeviceLimits>& limits);

// What reading `fd` at `offset` (4096 bytes of it exist) without waiting comes to, and what is told of the page cache.
Findings ask_about_reading(Syscalls& syscalls, int fd, std::uint64_t offset);

// The probe of the file and block plugins. `block_only`: refuses everything but a block device. Throws OpenError.
void probe(const ProbeRequest& request, bool block_only);

}  // namespace ashlar::fileops
