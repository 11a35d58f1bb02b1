// Memory that a thread of a test's program does not get. For one file of the program only, whose operators new and
// delete these are.
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

inline void* get_memory(std::size_t size) {
  if (allocations_left == 0) {
    ++allocations_refused;
    return nullptr;
  }
  if (allocations_left != SIZE_MAX) --allocations_left;
  return std::malloc(size);
}

}  // namespace ashlar::host

void* operator new(std::size_t size) {
  if (void* memory = ashlar::host::get_memory(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return ashlar::host::get_memory(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
