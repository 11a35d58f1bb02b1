// Memory: what a request carries, so laid that it shows when a module touches what is beside it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ashlar::check {

using Bytes = std::vector<std::byte>;

// Between pages that cannot be touched, at an odd address. Gone when it goes out of scope: who still uses it then ends
// the process.
class Memory {
 public:
  // Where the bytes lie: amid others that touched() looks at, or right before the page behind.
  enum class Place { amid, at_the_end };

  Memory(std::size_t n, Place place);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::span<std::byte> bytes() const { return {data_, size_}; }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  // From now on the bytes are only read; writing to them ends the process where they lie at the end.
  void only_read();
  // Whether a byte beside was changed.
  bool touched() const;

 private:
  std::size_t size_;
  std::byte* base_;    // the page before
  std::size_t whole_;  // bytes at base_
  std::byte* begin_;   // what can be touched
  std::byte* end_;
  std::byte* data_;
  Place place_;
};

}  // namespace ashlar::check
