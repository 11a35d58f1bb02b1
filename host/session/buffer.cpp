#include "session/buffer.hpp"

#include <sys/mman.h>

#include <new>

namespace ashlar::host {
namespace {

constexpr std::size_t page = 4096;
std::size_t whole_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

}  // namespace

Buffer::Buffer(std::size_t capacity) : capacity_(whole_pages(capacity)) {
  void* region = ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(region);
}

Buffer::~Buffer() { ::munmap(data_, capacity_); }

void Buffer::grow(std::size_t capacity) {
  capacity = whole_pages(capacity);
  if (capacity <= capacity_) return;
  void* region = ::mremap(data_, capacity_, capacity, MREMAP_MAYMOVE);
  if (region == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(region);
  capacity_ = capacity;
}

void Buffer::give_back(std::size_t keep) {
  keep = whole_pages(keep);
  if (keep < capacity_) ::madvise(data_ + keep, capacity_ - keep, MADV_DONTNEED);
}

std::shared_ptr<Buffer> BufferPool::take(std::size_t capacity) {
  std::unique_ptr<Buffer> buffer;
  if (capacity <= usual_capacity) {
    const std::lock_guard<std::mutex> lock(shelf_->mutex);
    if (!shelf_->buffers.empty()) {
      buffer = std::move(shelf_->buffers.back());
      shelf_->buffers.pop_back();
    }
  }
  if (!buffer) buffer = std::make_unique<Buffer>(capacity < usual_capacity ? usual_capacity : capacity);
  return {buffer.release(), [shelf = shelf_](Buffer* done) {
            std::unique_ptr<Buffer> owned(done);
            if (owned->capacity() != usual_capacity) return;
            const std::lock_guard<std::mutex> lock(shelf->mutex);
            if (shelf->buffers.size() < most_kept) shelf->buffers.push_back(std::move(owned));
          }};
}

}  // namespace ashlar::host
