// Cache: whole pages of what was read, so that a request which must not wait can be answered, too.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <span>
#include <unordered_map>

// Safe for all threads. Its mutex is never held over a wait.
class Cache {
 public:
  static constexpr std::size_t page = 4096;

  explicit Cache(std::uint64_t bytes) : most_(bytes / page) {}

  // Fills `into` and returns true, if all of it is here.
  bool read(std::uint64_t offset, std::span<std::byte> into) {
    const std::lock_guard lock(mutex_);
    for (std::size_t done = 0; done < into.size();) {
      const auto found = pages_.find((offset + done) / page);
      if (found == pages_.end()) return false;
      const std::size_t skip = (offset + done) % page, n = std::min(page - skip, into.size() - done);
      std::memcpy(into.data() + done, found->second.data() + skip, n);
      done += n;
    }
    return true;
  }

  // To be asked for before the bytes are read that keep() is to keep.
  std::uint64_t version() {
    const std::lock_guard lock(mutex_);
    return version_;
  }
  // Keeps the whole pages within `bytes`. Does nothing when forget() was called since `version`: they may be old.
  void keep(std::uint64_t version, std::uint64_t offset, std::span<const std::byte> bytes) noexcept {
    const std::lock_guard lock(mutex_);
    for (std::uint64_t at = (offset + page - 1) / page * page; at + page <= offset + bytes.size(); at += page) {
      if (version != version_ || most_ == 0) return;
      if (pages_.size() >= most_) pages_.clear();
      try {
        std::memcpy(pages_[at / page].data(), bytes.data() + (at - offset), page);
      } catch (const std::bad_alloc&) {
        return;
      }
    }
  }
  // To be called before a write, and again when it is done: a read that began before it may end behind it.
  void forget(std::uint64_t offset, std::uint64_t length) {
    const std::lock_guard lock(mutex_);
    ++version_;
    std::erase_if(pages_, [&](const auto& one) {
      const std::uint64_t at = one.first * page;
      return at < offset + length && at + page > offset;
    });
  }

 private:
  const std::uint64_t most_;
  std::mutex mutex_;
  std::uint64_t version_ = 0;
  std::unordered_map<std::uint64_t, std::array<std::byte, page>> pages_;
};
