// Sanity of a module's table, so that nothing behind it needs to doubt it. Pure.
#pragma once
#include <ashlar/abi.h>

#include <string>

namespace ashlar::host {

// The first thing that is wrong with `module`, whose version this host has accepted; empty: nothing is. `name` is what
// it must be called: the stem of its file.
std::string fault_in_table(const ashlar_module& module, const std::string& name);

}  // namespace ashlar::host
