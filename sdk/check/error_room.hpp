// ErrorRoom: what a call on the control path tells its error in.
#pragma once
#include <ashlar/abi.h>

#include <cstring>
#include <string>

#include "padded.hpp"
#include "refused.hpp"

namespace ashlar::check {

inline constexpr std::int32_t largest_errno = 4095;

// Room for the text of an error, with a pattern behind.
class ErrorRoom {
 public:
  explicit ErrorRoom(std::size_t capacity) : capacity_(capacity), error_({0, -1, text_, capacity}) {
    std::memset(text_, pattern, sizeof text_);
    text_[0] = '\0';
  }
  ashlar_error* get() { return error_.get(); }

  // What `call` answered with `status`; throws Broken if it is no answer.
  Refused refused(const ashlar_module& module, const char* call, std::int32_t status) const {
    look(call);
    if (status < 0 || status > largest_errno)
      throw Broken{std::string(call) + " answered " + std::to_string(status) + ", which is no errno number"};
    if (std::memchr(text_, '\0', capacity_) == nullptr)
      throw Broken{std::string(call) + " left the text of its error without an end"};
    if (std::strchr(text_, '\n') != nullptr)
      throw Broken{std::string(call) + " gave its error a text of several lines"};
    if (error_->parameter < -1 || error_->parameter >= static_cast<std::int64_t>(module.n_params))
      throw Broken{std::string(call) + " blames parameter " + std::to_string(error_->parameter) +
                   ", which is none of its table"};
    return {call, status, text_, error_->parameter};
  }
  void look(const char* call) const {
    error_.look(call);
    for (std::size_t i = capacity_; i < sizeof text_; ++i)
      if (text_[i] != pattern) throw Broken{std::string(call) + " wrote behind the room for the text of its error"};
    if (error_->text != text_ || error_->capacity != capacity_)
      throw Broken{std::string(call) + " moved the text of its error"};
  }

 private:
  static constexpr char pattern = 0x6b;

  const std::size_t capacity_;
  char text_[512];
  Padded<ashlar_error> error_;
};

}  // namespace ashlar::check
