// Transfer: a read from a file or a write to one, as preadv2(2) and pwritev2(2) make them with one buffer.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ashlar::host {

struct Transfer {
  enum class To : bool { memory, file };

  To to;
  int fd;
  void* data;  // only read if it goes to the file
  std::size_t length;
  std::uint64_t offset;
  int flags = 0;  // RWF_*
};

// Makes it; returns how many bytes, or a negative errno number. [any thread]
std::int64_t transfer(const Transfer& what) noexcept;

}  // namespace ashlar::host
