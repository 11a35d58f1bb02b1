// Memory that a thread of a test's program does not get. For one file of the program only, whose operators new and
// delete these are, and what Boost.Asio allocates with.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace ashlar::host {

// The calling thread gets memory so many times more. SIZE_MAX: without end.
inline thread_local std::size_t allocations_left = SIZE_MAX;
inline std::atomic<int> allocations_refused{0};  // of all threads

inline bool may_allocate() {
  if (allocations_left == 0) {
    ++allocations_refused;
    return false;
  }
  if (allocations_left != SIZE_MAX) --allocations_left;
  return true;
}

}  // namespace ashlar::host

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return ashlar::host::may_allocate() ? std::malloc(size) : nullptr;
}
void* operator new(std::size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  void* memory = nullptr;
  return ashlar::host::may_allocate() && ::posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}
