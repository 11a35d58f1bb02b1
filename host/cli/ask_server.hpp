// How commands ask a running server.
#pragma once
#include "cli/commands.hpp"
#include "control/client.hpp"

namespace ashlar::host {

// The server that `options` name. Throws UsageError when its address is none, NoServer.
ControlClient server_of(const CommandOptions& options);

// Has a refusal told, if the server refuses; returns the exit code.
int code_of(const json::object& answer, Streams streams);

}  // namespace ashlar::host
