// Names of errno numbers, as logs and reports have them.
#pragma once
#include <cstring>

namespace ashlar::fileops {

// "ok", "ENOSPC" … Static.
inline const char* errno_text(int error) {
  if (error == 0) return "ok";
  const char* const symbol = ::strerrorname_np(error);
  return symbol != nullptr ? symbol : "unknown error";
}

}  // namespace ashlar::fileops
