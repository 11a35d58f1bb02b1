// Log: the host's, for as long as the host lets this export have it.
#pragma once
#include <ashlar/host.hpp>
#include <mutex>

class Log {
 public:
  explicit Log(const ashlar::Host& host) : host_(host) {}

  // As that of Host. [any thread]
  __attribute__((format(printf, 3, 4))) void log(ashlar::Level level, const char* format, ...) noexcept;
  // The host's is used no more once this has returned: what is logged from then on is lost.
  void end() noexcept;

 private:
  std::mutex mutex_;
  ashlar::Host host_;
};
