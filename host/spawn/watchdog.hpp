// How often a service manager wants to hear that the server is alive. (sd_watchdog_enabled(3))
#pragma once
#include <chrono>

namespace ashlar::host {

// What WATCHDOG_USEC says, which is taken out of the environment as WATCHDOG_PID is; 0: nobody waits for a sign of life
// of this process. Throws std::invalid_argument that names the variable which is not as it should be. [before there are
// threads]
std::chrono::microseconds take_watchdog_time();

}  // namespace ashlar::host
