// Left: what this process has at a time, to tell what a module leaves behind.
#pragma once
#include <cstddef>

namespace ashlar::check {

struct Left {
  std::size_t descriptors, threads, allocated, mapped;  // mapped, allocated: bytes

  static Left now();
  // Waits a while for threads that are about to end, until there are no more than `threads`.
  static std::size_t threads_settled(std::size_t threads);
};

}  // namespace ashlar::check
