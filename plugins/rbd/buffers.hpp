// Buffers: memory that librbd reads into. It belongs to the request and not to who waits for it, so
// that he can go on while librbd still has it.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

class Buffers {
 public:
  class Buffer;

  // At least `bytes`; 0: none. Throws std::bad_alloc. [any thread]
  Buffer take(std::size_t bytes);

 private:
  // Larger ones are kept for the next request, as the kernel takes its time to give so many pages.
  static constexpr std::size_t least_kept = 128 << 10, most_kept = 64 << 20;
  struct Piece {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
  void give_back(Piece piece) noexcept;

  std::mutex mutex_;
  std::vector<Piece> kept_;
  std::size_t kept_bytes_ = 0;
};

// Goes back when it is destroyed; the Buffers outlive it. [one thread at a time]
class Buffers::Buffer {
 public:
  Buffer() = default;
  Buffer(Buffers& home, Piece piece) : home_(&home), piece_(std::move(piece)) {}
  Buffer(Buffer&& other) noexcept : home_(std::exchange(other.home_, nullptr)), piece_(std::move(other.piece_)) {}
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer() {
    if (home_ != nullptr) home_->give_back(std::move(piece_));
  }

  std::byte* data() const { return piece_.bytes.get(); }

 private:
  Buffers* home_ = nullptr;
  Piece piece_;
};
