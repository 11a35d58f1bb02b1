// Buffers: memory for what is on its way between the layers below and the store; no more of it than so many bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <fileops/byte_limit.hpp>
#include <memory>
#include <mutex>
#include <new>
#include <span>

namespace ashlar::caching {

// Keeps one large buffer for who comes next, as fresh memory costs as much as reading it. [any thread]
class Buffers {
 public:
  // How requests wait for others to give theirs back.
  explicit Buffers(const Wait& wait) : limit_(wait, most) {}

  // A buffer of so many bytes; waits while there are too many, if it may. Who has one waits for the layers below and
  // the store, and for nobody else. See failed().
  class Lease {
   public:
    Lease(Buffers& from, fileops::ByteLimit::User& user, std::uint64_t bytes, bool may_wait = true)
        : from_(from),
          bytes_(bytes),
          share_(from.limit_, user, bytes, may_wait),
          memory_(share_.held() ? from.take(bytes) : nullptr) {}
    ~Lease() {
      if (memory_ != nullptr) from_.give_back(std::move(memory_), bytes_);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    bool failed() const { return memory_ == nullptr; }  // out of memory, or it was not to wait
    std::span<std::byte> bytes() const { return {memory_.get(), bytes_}; }

   private:
    Buffers& from_;
    const std::uint64_t bytes_;
    const fileops::ByteLimit::Share share_;
    std::unique_ptr<std::byte[]> memory_;
  };

  // All together, in bytes; but that each connection may have one.
  static constexpr std::uint64_t most = 32 << 20;
  // In use now, in bytes.
  std::uint64_t used() const { return limit_.used(); }

 private:
  using Memory = std::unique_ptr<std::byte[]>;
  Memory take(std::uint64_t bytes) noexcept {
    Memory memory;
    {
      const std::lock_guard lock(mutex_);
      if (spare_bytes_ >= bytes && spare_bytes_ / 4 <= bytes) {
        memory = std::move(spare_);
        spare_bytes_ = 0;
      }
    }
    // A power of two: so that one that was used fits for the next.
    if (memory == nullptr) memory.reset(new (std::nothrow) std::byte[capacity(bytes)]);
    return memory;
  }
  void give_back(Memory memory, std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (capacity(bytes) < spare_bytes_) return;
    spare_ = std::move(memory);
    spare_bytes_ = capacity(bytes);
  }
  static std::uint64_t capacity(std::uint64_t bytes) {
    std::uint64_t n = 4096;
    while (n < bytes) n *= 2;
    return n;
  }

  fileops::ByteLimit limit_;
  std::mutex mutex_;
  Memory spare_;
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace ashlar::caching
