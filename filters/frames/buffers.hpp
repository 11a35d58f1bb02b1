// Buffers: memory that is used again, as fresh memory costs a third of what it costs to unpack into it.
#pragma once
#include <algorithm>
#include <bit>
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
    std::uint64_t bytes() const { return bytes_; }

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

  // How many bytes a buffer for `bytes` has: an eighth more at most, so that it fits others of nearly that length.
  static std::uint64_t size_for(std::uint64_t bytes) {
    const std::uint64_t unit = std::max<std::uint64_t>(std::bit_floor(bytes) / 8, 64);
    return (bytes + unit - 1) / unit * unit;
  }

  // A buffer of size_for(bytes); null: out of memory.
  Buffer take(std::uint64_t bytes) noexcept {
    const std::uint64_t whole = size_for(bytes);
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::ranges::find(spare_, whole, &Spare::bytes);
      if (found != spare_.end()) {
        std::byte* const memory = found->memory;
        forget(found);
        return {memory, GiveBack(*this, whole)};
      }
    }
    return {new (std::nothrow) std::byte[whole], GiveBack(*this, whole)};
  }

 private:
  static constexpr std::uint64_t most_spare = 32 << 20;
  static constexpr std::size_t most_spares = 64;
  struct Spare {
    std::byte* memory;
    std::uint64_t bytes;
  };

  void give_back(std::byte* memory, std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    // Those that nobody has wanted for the longest time go first.
    while (bytes <= most_spare && !spare_.empty() &&
           (spare_bytes_ + bytes > most_spare || spare_.size() == most_spares)) {
      delete[] spare_.front().memory;
      forget(spare_.begin());
    }
    try {
      if (bytes <= most_spare) {
        spare_.push_back({memory, bytes});
        spare_bytes_ += bytes;
        return;
      }
    } catch (const std::bad_alloc&) {  // then it goes
    }
    delete[] memory;
  }
  void forget(std::vector<Spare>::iterator spare) noexcept {
    spare_bytes_ -= spare->bytes;
    spare_.erase(spare);
  }

  std::mutex mutex_;
  std::vector<Spare> spare_;  // from the one given back first on
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace ashlar::frames
