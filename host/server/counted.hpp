// A number of things, in words.
#pragma once
#include <cstddef>
#include <string>

namespace ashlar::host {

// "1 client", "2 clients".
inline std::string counted(std::size_t n, const char* one, const char* several) {
  return std::to_string(n) + " " + (n == 1 ? one : several);
}

}  // namespace ashlar::host
