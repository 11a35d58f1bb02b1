// encoded: what an encoder writes, in hexadecimal.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "catch.hpp"

namespace ashlar::protocol::test {

inline std::string hex(std::span<const std::byte> bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string out;
  for (std::byte b : bytes) {
    out += digits[std::to_integer<unsigned>(b) >> 4];
    out += digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

// Runs an encoder over memory of a known pattern, and checks that it writes nothing beyond what it says.
template <class Put>
std::string encoded(Put put) {
  std::array<std::byte, 512> out;
  out.fill(std::byte{0xee});
  const std::size_t n = put(out.data());
  REQUIRE(n <= out.size());
  for (std::size_t i = n; i < out.size(); ++i) REQUIRE(out[i] == std::byte{0xee});
  return hex(std::span(out).first(n));
}

}  // namespace ashlar::protocol::test
