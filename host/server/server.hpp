// Server: puts the parts together, runs until told to stop. Start and stop order stand in server.cpp, in one place.
#pragma once
#include "config/config.hpp"
#include "log/log.hpp"
#include "module/registry.hpp"
#include "server/setup.hpp"
#include "spawn/starter.hpp"

namespace ashlar::host {

// Serves until SIGTERM or SIGINT. Prints one line per listening address to stdout when ready, and tells `starter`.
// Returns the status of the command that `starter` has it run, else 0, after it has stopped, also when told to before
// it was ready. Throws ConfigError, with the mistakes that were found before and all
// that the exports have, or ModuleError before any socket is opened, std::system_error when an address cannot be
// listened on.
//
// It stops within five seconds, whatever clients and modules do: clients are told at once, have three seconds to take
// what is under way to them, and are broken off then or at the second signal. What is inside a module after four and a
// half seconds, or at the third signal, is named in the log, and the process ends with exit code 1, in the middle of
// it. `registry` keeps no module loaded.
//
// On SIGHUP, and when asked at its control socket, it has `source` read the config anew, and serves that if there is no
// mistake in it; clients that are there go on.
int serve(const Config& config, const Mistakes& found, Registry& registry, Log& log, Starter& starter,
          ConfigSource source);

}  // namespace ashlar::host
