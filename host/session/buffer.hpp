// Buffer: a region of memory that is reserved at once and takes pages only as bytes are stored in it, so that a length a
// client merely claims costs nothing. BufferPool: the ones that are not in use, a few of them.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

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
  // Grows to at least `capacity`, keeping the contents; data() may move. Throws std::bad_alloc.
  void grow(std::size_t capacity);
  // Whether somebody else still uses the contents (see Pin): then they must not be moved or overwritten.
  bool pinned() const { return pins_.load(std::memory_order_acquire) != 0; }
  // Gives the pages behind the first `keep` bytes back to the system; their contents are lost.
  void give_back(std::size_t keep);

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

class BufferPool {
 public:
  static constexpr std::size_t usual_capacity = 256 * 1024;

  // A buffer of at least `capacity` bytes; returns to the pool, or to the system, when the last owner lets go. [any thread]
  std::shared_ptr<Buffer> take(std::size_t capacity = usual_capacity);

 private:
  static constexpr std::size_t most_kept = 16;
  struct Shelf {
    std::mutex mutex;
    std::vector<std::unique_ptr<Buffer>> buffers;  // of the usual capacity
  };
  std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

}  // namespace ashlar::host
