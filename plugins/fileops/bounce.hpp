// BounceBuffers: aligned memory for direct I/O whose payload is not aligned. Kept for the next request, as many as were
// ever in use at once.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace ashlar::fileops {

class BounceBuffers {
 public:
  static constexpr std::size_t bytes = 1u << 20;   // of one buffer
  static constexpr std::size_t alignment = 65536;  // no device asks for more

  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  using Buffer = std::unique_ptr<std::byte, Free>;

  // A buffer for as long as it is needed; none if not `needed`.
  class Lease {
   public:
    Lease(BounceBuffers& from, bool needed) : from_(from), needed_(needed), buffer_(needed ? from.take() : nullptr) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (buffer_) from_.give_back(std::move(buffer_));
    }
    bool failed() const { return needed_ && buffer_ == nullptr; }  // out of memory
    std::byte* data() const { return buffer_.get(); }

   private:
    BounceBuffers& from_;
    const bool needed_;
    Buffer buffer_;
  };

 private:
  // [any thread]
  Buffer take() noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        Buffer buffer = std::move(spare_.back());
        spare_.pop_back();
        return buffer;
      }
    }
    return Buffer{static_cast<std::byte*>(std::aligned_alloc(alignment, bytes))};
  }
  void give_back(Buffer buffer) noexcept {
    try {
      const std::lock_guard lock(mutex_);
      spare_.push_back(std::move(buffer));
    } catch (const std::bad_alloc&) {  // then it is freed
    }
  }

  std::mutex mutex_;
  std::vector<Buffer> spare_;
};

}  // namespace ashlar::fileops
