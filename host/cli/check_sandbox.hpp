// What `ashlar check` tells of the sandbox: for people, and for programs.
#pragma once
#include <ostream>

#include "cli/json.hpp"
#include "config/config.hpp"
#include "sandbox/grants.hpp"

namespace ashlar::host {

// `needed`: of the same config.
void print_sandbox(std::ostream& out, const SandboxConfig& config, const Grants& needed);
json::object sandbox_to_json(const SandboxConfig& config, const Grants& needed);

}  // namespace ashlar::host
