// Status: how every call on the data path ends. 0, or an errno number; no text, no allocation.
#pragma once
#include <cerrno>
#include <cstdint>

namespace ashlar {

class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  // `code`: 0 or a positive errno number (errno(3)).
  constexpr explicit Status(std::int32_t code) : code_(code) {}

  static constexpr Status success() { return Status{}; }
  static constexpr Status not_supported() { return Status{ENOTSUP}; }
  static constexpr Status invalid() { return Status{EINVAL}; }
  static constexpr Status io_error() { return Status{EIO}; }
  static constexpr Status no_space() { return Status{ENOSPC}; }
  // Only in answer to Flag::nowait: the request would block and nothing was changed.
  static constexpr Status would_block() { return Status{EAGAIN}; }

  constexpr bool ok() const { return code_ == 0; }
  constexpr bool failed() const { return code_ != 0; }
  constexpr std::int32_t code() const { return code_; }
  friend constexpr bool operator==(Status, Status) = default;

 private:
  std::int32_t code_ = 0;
};

}  // namespace ashlar
