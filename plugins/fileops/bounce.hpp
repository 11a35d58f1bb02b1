// BounceBuffers: aligned memory for direct I/O whose payload is not aligned. Some are kept for the next requests.
#pragma once
#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

namespace ashlar::fileops {

class BounceBuffers {
 public:
  static constexpr std::size_t bytes = 1u << 20;   // of the largest; who needs more uses it again and again
  static constexpr std::size_t alignment = 65536;  // no device asks for more

  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  using Buffer = std::unique_ptr<std::byte, Free>;

  // A buffer of min(`needed`, BounceBuffers::bytes) bytes for as long as it is needed; none if that is 0.
  class Lease {
   public:
    Lease(BounceBuffers& from, std::size_t needed)
        : from_(from), needed_(needed != 0), large_(needed > small), buffer_(needed_ ? from.take(large_) : nullptr) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (buffer_) from_.give_back(std::move(buffer_), large_);
    }
    bool failed() const { return needed_ && buffer_ == nullptr; }  // out of memory
    std::byte* data() const { return buffer_.get(); }

   private:
    BounceBuffers& from_;
    const bool needed_, large_;
    Buffer buffer_;
  };

 private:
  static constexpr std::size_t small = alignment;
  // So many are kept, small and large: a thousand requests may be under way at once, and then none for long. To make
  // and free a small one, which is mapped anew, costs nearly as much as all else of a small write.
  static constexpr std::size_t most_kept[] = {128, 16};
  struct Kept {
    std::size_t count = 0;
    std::array<Buffer, most_kept[0]> buffers;
  };

  // [any thread]
  Buffer take(bool large) noexcept {
    {
      const std::lock_guard lock(mutex_);
      Kept& kept = kept_[large];
      if (kept.count != 0) return std::move(kept.buffers[--kept.count]);
    }
    return Buffer{static_cast<std::byte*>(std::aligned_alloc(alignment, large ? bytes : small))};
  }
  void give_back(Buffer buffer, bool large) noexcept {
    const std::lock_guard lock(mutex_);
    Kept& kept = kept_[large];
    if (kept.count != most_kept[large]) kept.buffers[kept.count++] = std::move(buffer);
  }

  std::mutex mutex_;
  Kept kept_[2];  // small, large
};

}  // namespace ashlar::fileops
