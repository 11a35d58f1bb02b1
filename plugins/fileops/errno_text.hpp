// What errno numbers are called, in logs and reports.
#pragma once
#include <cstring>

namespace ashlar::fileops {

// Its name: "ok", "ENOSPC" … Static.
inline const char* errno_text(int error) {
  if (error == 0) return "ok";
  const char* const symbol = ::strerrorname_np(error);
  return symbol != nullptr ? symbol : "unknown error";
}

// What it means: "No space left on device" … Static.
inline const char* errno_message(int error) {
  const char* const text = ::strerrordesc_np(error);
  return text != nullptr ? text : "Unknown error";
}

}  // namespace ashlar::fileops
