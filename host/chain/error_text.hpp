// ErrorText: memory for a module to say why a call on the control path failed, and what becomes of it in a message.
#pragma once
#include <ashlar/abi.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "config/text.hpp"

namespace ashlar::host {

class ErrorText {
 public:
  ErrorText() = default;
  ErrorText(const ErrorText&) = delete;
  ErrorText& operator=(const ErrorText&) = delete;

  // For one call of the module.
  ashlar_error* receiver() { return &error_; }
  // Why the call failed that returned `status`: the module's text as one line, or else the error's own.
  std::string cause(std::int32_t status) const {
    const std::string_view text(text_.data(), ::strnlen(text_.data(), text_.size()));
    return text.empty() ? std::generic_category().message(status > 0 ? status : EIO) : one_line(text);
  }
  // The row of the module's table that it names as the cause; -1: none.
  std::int32_t parameter() const { return error_.parameter; }

 private:
  std::array<char, 512> text_{};
  ashlar_error error_{sizeof(ashlar_error), -1, text_.data(), text_.size()};
};

}  // namespace ashlar::host
