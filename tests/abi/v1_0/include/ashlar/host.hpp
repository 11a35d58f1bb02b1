// Host: the services the host gives a module. Cheap to copy; valid as long as the layer it was given to.
#pragma once
#include <ashlar/abi.h>

#include <cstdarg>
#include <cstdint>
#include <cstdio>

namespace ashlar {

enum class Level : std::uint32_t {
  trace = ASHLAR_LOG_TRACE,
  debug = ASHLAR_LOG_DEBUG,
  info = ASHLAR_LOG_INFO,
  warn = ASHLAR_LOG_WARN,
  error = ASHLAR_LOG_ERROR,
};

class Host {
 public:
  Host() = default;  // one that logs nothing
  explicit Host(const ashlar_host* host) : host_(host) {}

  // Whether a line of this level would be written: test before formatting. [any]
  bool logs(Level level) const {
    return host_ != nullptr && host_->log_enabled(host_->self, static_cast<std::uint32_t>(level)) != 0;
  }

  // Writes one line, as printf(3); formats only if the level is on; lines are cut at 1023 bytes. [any]
  __attribute__((format(printf, 3, 4))) void log(Level level, const char* format, ...) const {
    if (!logs(level)) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    const int n = std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0) return;
    const size_t length = static_cast<size_t>(n) < sizeof text ? static_cast<size_t>(n) : sizeof text - 1;
    host_->log(host_->self, static_cast<std::uint32_t>(level), text, length);
  }

  // An optional service, or nullptr. [any]
  const void* extension(const char* id) const { return host_ != nullptr ? host_->extension(host_->self, id) : nullptr; }

 private:
  const ashlar_host* host_ = nullptr;
};

}  // namespace ashlar
