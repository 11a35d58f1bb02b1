// The config of a layer to start from, of what its module's table says.
#pragma once
#include <ashlar/abi.h>

#include <string>

namespace ashlar::host {

// TOML for one layer: `type`, what is needed with a value to be replaced, and the rest as comments, with their
// defaults. Each line begins with `indent` and ends with a newline. `module`: its name or path.
std::string skeleton(const ashlar_module& table, const std::string& module, const std::string& indent);

}  // namespace ashlar::host
