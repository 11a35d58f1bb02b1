// Server: puts the stations together, runs until told to stop. Start and stop order stand in server.cpp, in one place.
#pragma once
#include "config/config.hpp"
#include "log/log.hpp"
#include "module/registry.hpp"

namespace ashlar::host {

// Serves until SIGTERM or SIGINT. Prints one line per listening address to stdout when ready. Returns the exit code:
// 0 after a graceful stop. Throws ConfigError or ModuleError before any socket is opened, std::system_error when an address
// cannot be listened on.
int serve(const Config& config, Registry& registry, Log& log);

}  // namespace ashlar::host
