// Refused: what a module answered on the control path.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

namespace ashlar::check {

// An errno number and its text.
struct Refused {
  const char* call;
  std::int32_t code;
  std::string text;
  std::int32_t parameter = -1;  // the row of the table that it blames; -1: none
  std::string what() const {
    const std::string answer = std::string(call) + " answered " + std::to_string(code) + " (" + ::strerror(code) + ")";
    return answer + (text.empty() ? ", without a text" : ": " + text);
  }
};

}  // namespace ashlar::check
