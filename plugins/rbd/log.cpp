#include "log.hpp"

#include <cstdarg>
#include <cstdio>

using namespace ashlar;

void Log::log(Level level, const char* format, ...) noexcept {
  const std::lock_guard lock(mutex_);
  if (!host_.logs(level)) return;
  char text[1024];
  va_list args;
  va_start(args, format);
  const int n = std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n >= 0) host_.log(level, "%s", text);
}

void Log::end() noexcept {
  const std::lock_guard lock(mutex_);
  host_ = Host();
}
