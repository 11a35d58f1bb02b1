// Words: a row of 64-bit words, all of them zero at first. Memory is used for what is not zero alone.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

class Words {
 public:
  // Throws std::system_error: out of memory.
  explicit Words(std::uint64_t count) : bytes_(std::max<std::uint64_t>(count, 1) * sizeof(std::uint64_t)) {
    void* const memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      throw std::system_error(errno, std::generic_category(), "no memory for the map of blocks");
    first_ = static_cast<std::uint64_t*>(memory);
  }
  ~Words() { ::munmap(first_, bytes_); }
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  std::atomic_ref<std::uint64_t> operator[](std::uint64_t index) const { return std::atomic_ref(first_[index]); }
  // From `index` on, as they lie in memory. While no request runs.
  std::uint64_t* data(std::uint64_t index) { return first_ + index; }
  // All are zero again. While no request runs.
  void clear() { ::madvise(first_, bytes_, MADV_DONTNEED); }

 private:
  const std::uint64_t bytes_;
  std::uint64_t* first_;
};
