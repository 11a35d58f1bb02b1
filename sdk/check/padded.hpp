// Padded: a struct of abi.h as a later host would have it, longer than this revision knows, with a pattern behind.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "promise.hpp"

namespace ashlar::check {

template <class T>
class Padded {
 public:
  static constexpr std::size_t tail = 64;

  // `value`: without its struct_size. `longer`: the struct is said to have the tail, too.
  explicit Padded(const T& value, bool longer = true) : value_(value) {
    value_.struct_size = static_cast<std::uint32_t>(sizeof(T) + (longer ? tail : 0));
    size_ = value_.struct_size;
    tail_.fill(pattern);
  }
  Padded(const Padded&) = delete;
  Padded& operator=(const Padded&) = delete;

  T* get() { return &value_; }
  const T* get() const { return &value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }

  // Throws Broken if its struct_size was changed, or what lies behind. `who` filled it, or was to read it.
  void look(const std::string& who) const {
    if (value_.struct_size != size_)
      throw Broken{who + " changed its struct_size from " + std::to_string(size_) + " to " +
                   std::to_string(value_.struct_size)};
    for (const std::uint8_t b : tail_)
      if (b != pattern) throw Broken{who + " wrote behind the struct that it knows"};
  }

 private:
  static constexpr std::uint8_t pattern = 0xc5;

  T value_;
  std::array<std::uint8_t, tail> tail_;
  std::uint32_t size_;
};

}  // namespace ashlar::check
