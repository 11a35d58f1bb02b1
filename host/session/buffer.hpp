// Buffer: a region of memory that is reserved at once and takes pages only as bytes are stored in it, so that a length a
// client merely claims costs nothing. BufferPool: where they come from; bounds what all clients together may hold.
#pragma once
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
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
  // Whether somebody else still uses the contents (see Pin): then they must not be overwritten.
  bool pinned() const { return pins_.load(std::memory_order_acquire) != 0; }

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

// Buffers up to the usual capacity are free of charge (a client has two while it talks, and small ones for what it reads from a
// disk). The capacity of larger ones, all taken together, stays within a limit: who wants one waits until others have let theirs go.
class BufferPool {
 public:
  static constexpr std::size_t small_capacity = 16 * 1024;
  static constexpr std::size_t usual_capacity = 256 * 1024;

  // `limit`: bytes in large buffers. One that is larger than the limit is given out when no other is.
  explicit BufferPool(std::size_t limit);

  // A buffer of at least `capacity` bytes; goes back to the pool, or to the system, when its last owner lets go. try_take gives
  // null instead of waiting. Throws std::bad_alloc. [any thread]
  std::shared_ptr<Buffer> take(std::size_t capacity = usual_capacity);
  std::shared_ptr<Buffer> try_take(std::size_t capacity);

  // Whether somebody waits for a large buffer: who has one that he does not need should let it go. [any thread]
  bool wanted() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ashlar::host
