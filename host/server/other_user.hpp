// Who a server becomes when its sockets and modules are open, and what of its config is not to be had by that user.
#pragma once
#include <spdlog/logger.h>

#include <string>
#include <vector>

#include "chain/export.hpp"
#include "config/config.hpp"
#include "config/mistakes.hpp"
#include "spawn/privileges.hpp"

namespace ashlar::host {

// Tries whether the calling thread, which has the privileges of `user`, can open `exports`, the folders of their
// traces, and the files that a server reads again while it runs. What cannot be opened is added to `mistakes`, or to
// `warnings` where it keeps nobody from being served. Throws Stopped.
void try_as(const Privileges& user, const Config& config, const Exports& exports, Mistakes& mistakes,
            std::vector<std::string>& warnings);

// Becomes the user that `config` names, if it names one, for good, and tries as above. Throws Stopped, and
// std::runtime_error when the process may not become that user.
void change_user(const Config& config, const Exports& exports, spdlog::logger& logger, Mistakes& mistakes);

}  // namespace ashlar::host
