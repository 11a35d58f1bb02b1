// Buffers: memory that is used again, as fresh memory costs a third of what it costs to unpack into it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace ashlar::frames {

// Outlives what it has given out. [any thread]
class Buffers {
 public:
  class GiveBack {
   public:
    GiveBack() = default;
    GiveBack(Buffers& to, std::uint64_t bytes) : to_(&to), bytes_(bytes) {}
    void operator()(std::byte* memory) const noexcept { to_->give_back(memory, bytes_); }

   private:
    Buffers* to_ = nullptr;
    std::uint64_t bytes_ = 0;  // that there are
  };
  using Buffer = std::unique_ptr<std::byte[], GiveBack>;

  Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() {
    for (const Spare& one : spare_) delete[] one.memory;
  }

  // So many bytes, or a few more; null: out of memory.
  Buffer take(std::uint64_t bytes) noexcept {
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = spare_.size(); i-- != 0;) {
        const Spare found = spare_[i];
        if (found.bytes < bytes || found.bytes / 4 > bytes) continue;
        spare_[i] = spare_.back();
        spare_.pop_back();
        spare_bytes_ -= found.bytes;
        return {found.memory, GiveBack(*this, found.bytes)};
      }
    }
    const std::uint64_t whole = (bytes + unit - 1) / unit * unit;
    return {new (std::nothrow) std::byte[whole], GiveBack(*this, whole)};
  }

 private:
  static constexpr std::uint64_t unit = 65536;
  static constexpr std::uint64_t most_spare = 32 << 20;
  static constexpr std::size_t most_spares = 64;
  struct Spare {
    std::byte* memory;
    std::uint64_t bytes;
  };

  void give_back(std::byte* memory, std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      if (spare_bytes_ + bytes <= most_spare && spare_.size() < most_spares) {
        spare_.push_back({memory, bytes});
        spare_bytes_ += bytes;
        return;
      }
    } catch (const std::bad_alloc&) {  // then it goes
    }
    delete[] memory;
  }

  std::mutex mutex_;
  std::vector<Spare> spare_;
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace ashlar::frames
