// Refused: a call on the control path that has failed.
#pragma once
#include <ashlar/abi.h>

#include <stdexcept>
#include <string>

namespace ashlar::testing {

// What a module answered on the control path: an errno number, and its text.
class Refused : public std::runtime_error {
 public:
  Refused(std::int32_t c, const std::string& text) : std::runtime_error(text), code_(c) {}
  std::int32_t code() const { return code_; }

 private:
  std::int32_t code_;
};

// Calls `f(ashlar_error*)`; throws Refused when it fails.
template <class F>
void must_succeed(F f) {
  char text[512] = "";
  ashlar_error error{sizeof(ashlar_error), -1, text, sizeof text};
  if (const std::int32_t code = f(&error); code != 0) throw Refused(code, text);
}

}  // namespace ashlar::testing
