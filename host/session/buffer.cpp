#include "session/buffer.hpp"

#include <sys/mman.h>

#include <new>

namespace ashlar::host {

Buffer::Buffer(std::size_t capacity) : capacity_(whole_pages(capacity)) {
  void* region = ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(region);
}

Buffer::~Buffer() { ::munmap(data_, capacity_); }

}  // namespace ashlar::host
