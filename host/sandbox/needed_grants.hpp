// Which files a server needs to open while it serves a config, and whether it connects to others.
#pragma once
#include "chain/activity.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"
#include "sandbox/grants.hpp"

namespace ashlar::host {

// All that `config` names but in its key sandbox: the files of exports, as the parameters of type PATH of their modules
// say (to be read where a plugin's export is read-only), secrets, certificates, sockets, the modules, and the config
// itself, which may be read anew; besides these, the libraries of the system, and what it tells of disks and processes.
// Modules are loaded, and none of them is called. What it cannot find out because of a mistake in the config is left
// out.
Grants needed_grants(const Config& config, Registry& registry, Activity& activity);

// Adds what `config` allows a server that starts with it beyond that: what its key sandbox says, and, if it names
// users, groups or hosts, what it takes to look those up: when it is read anew, it may have others.
void add_at_start(Grants& to, const Config& config);

}  // namespace ashlar::host
