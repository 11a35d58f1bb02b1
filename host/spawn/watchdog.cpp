#include "spawn/watchdog.hpp"

#include <unistd.h>

#include <stdexcept>

#include "config/text.hpp"
#include "spawn/environment.hpp"

namespace ashlar::host {
namespace {

constexpr std::uint64_t longest = 365ull * 86'400 * 1'000'000;  // µs: as good as never

}  // namespace

std::chrono::microseconds take_watchdog_time() {
  const auto time_text = take_variable("WATCHDOG_USEC"), pid_text = take_variable("WATCHDOG_PID");
  if (!time_text) return {};
  if (pid_text) {
    const auto pid = whole_number(*pid_text);
    if (!pid || *pid == 0)
      throw std::invalid_argument("WATCHDOG_PID: " + in_quotes(*pid_text) + " is not the number of a process");
    if (*pid != static_cast<std::uint64_t>(::getpid())) return {};
  }
  const auto time = whole_number(*time_text);
  if (!time || *time == 0)
    throw std::invalid_argument("WATCHDOG_USEC: " + in_quotes(*time_text) + " is not a number of microseconds above 0");
  return std::chrono::microseconds(*time < longest ? *time : 0);
}

}  // namespace ashlar::host
