// Store: bytes of a disk that may be very large and have little written, with the state of each.
#pragma once
#include <ashlar/ops.hpp>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "memory.hpp"

namespace ashlar::check {

// Not safe for threads. Lies in a file in memory that can be lent. Sizes up to what a file may have.
class Store {
 public:
  // All of it a hole. Throws std::system_error.
  explicit Store(std::uint64_t size);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  int fd() const { return fd_; }
  std::uint64_t size() const { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> into) const;
  Bytes read(std::uint64_t offset, std::size_t n) const;
  void write(std::uint64_t offset, std::span<const std::byte> from);
  // Without memory for what is large.
  void zero(std::uint64_t offset, std::uint64_t length, ExtentState state);
  // What was trimmed may read as anything: it shows, as far as that does not take too much memory.
  void trim(std::uint64_t offset, std::uint64_t length);
  // Takes bytes and states from `other`, which is of the same size.
  void copy(const Store& other, std::uint64_t offset, std::uint64_t length);

  struct Extent {
    std::uint64_t length;
    ExtentState state;
  };
  // From `offset` to where the state changes.
  Extent extent(std::uint64_t offset) const;
  // Whether all of the range is in a state that has `state`.
  bool all(std::uint64_t offset, std::uint64_t length, ExtentState state) const;

 private:
  void set(std::uint64_t offset, std::uint64_t length, ExtentState state);
  void clear(std::uint64_t offset, std::uint64_t length);

  const std::uint64_t size_;
  const int fd_;
  std::map<std::uint64_t, ExtentState> states_;  // from that place on
};

}  // namespace ashlar::check
