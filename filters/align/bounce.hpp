// Bounce: a buffer of one block, aligned for O_DIRECT, made when it is first needed.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

class Bounce {
 public:
  explicit Bounce(std::size_t block) : block_(block) {}

  // Makes the buffer; false when there is no memory.
  bool ready() noexcept {
    if (data_ == nullptr) data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, size())));
    return data_ != nullptr;
  }
  // Valid when ready.
  std::byte* data() const { return data_.get(); }
  std::span<std::byte> first(std::size_t n) const { return {data_.get(), n}; }

 private:
  static constexpr std::size_t alignment = 4096;
  std::size_t size() const { return block_ < alignment ? alignment : block_; }
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  const std::size_t block_;
  std::unique_ptr<std::byte, Free> data_;
};
