#include "left.hpp"

#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

// There with a sanitizer, whose memory malloc knows nothing of.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace ashlar::check {
namespace {

std::size_t entries(const char* folder) {
  std::size_t n = 0;
  if (DIR* dir = ::opendir(folder)) {
    while (::readdir(dir) != nullptr) ++n;
    ::closedir(dir);
  }
  return n;
}

std::size_t bytes_allocated() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return __sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

// What a sanitizer maps for itself is not the module's.
std::size_t bytes_mapped() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return 0;
  std::size_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%zu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * 4096;
}

}  // namespace

Left Left::now() { return {entries("/proc/self/fd"), entries("/proc/self/task"), bytes_allocated(), bytes_mapped()}; }

std::size_t Left::threads_settled(std::size_t threads) {
  std::size_t n = entries("/proc/self/task");
  for (int i = 0; i < 2000 && n > threads; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    n = entries("/proc/self/task");
  }
  return n;
}

}  // namespace ashlar::check
