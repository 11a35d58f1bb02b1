// Buffer: a region of memory that is reserved at once and takes pages only as bytes are stored in it, so that a length
// a client merely claims costs nothing.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace ashlar::host {

class Buffer {
 public:
  // Reserves `capacity` bytes, rounded up to pages. Throws std::bad_alloc.
  explicit Buffer(std::size_t capacity);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() const { return data_; }  // page-aligned
  std::size_t capacity() const { return capacity_; }
  // Whether somebody else still uses the contents (see Pin): then they must not be overwritten.
  bool pinned() const { return pins_.load(std::memory_order_acquire) != 0; }

  static constexpr std::size_t page = 4096;
  static constexpr std::size_t whole_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

 private:
  friend class Pin;
  std::byte* data_;
  std::size_t capacity_;
  std::atomic<unsigned> pins_{0};
};

// Keeps a buffer and its contents while they are used away from the buffer's owner. [one owner at a time; any thread]
class Pin {
 public:
  Pin() = default;
  explicit Pin(std::shared_ptr<Buffer> buffer) : buffer_(std::move(buffer)) {
    buffer_->pins_.fetch_add(1, std::memory_order_relaxed);
  }
  ~Pin() { release(); }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  Pin(Pin&& other) noexcept : buffer_(std::move(other.buffer_)) {}
  Pin& operator=(Pin&& other) noexcept {
    release();
    buffer_ = std::move(other.buffer_);
    return *this;
  }
  void release() {
    if (buffer_) buffer_->pins_.fetch_sub(1, std::memory_order_release);
    buffer_.reset();
  }

 private:
  std::shared_ptr<Buffer> buffer_;
};

}  // namespace ashlar::host
