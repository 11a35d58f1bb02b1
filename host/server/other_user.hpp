// Who a server becomes when its sockets and modules are open, and what of its config is not to be had by that user.
#pragma once
#include <spdlog/logger.h>

#include "chain/export.hpp"
#include "config/config.hpp"
#include "config/mistakes.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

// Becomes the user that `config` names, if it names one, for good, and tries whether `exports`, and the files of `tls`
// (null: there are none), can still be opened. What cannot is added to `mistakes`, or a warning where it keeps nobody
// from being served. Throws Stopped, and std::runtime_error when the process may not become that user.
void change_user(const Config& config, const Exports& exports, Tls* tls, spdlog::logger& logger, Mistakes& mistakes);

}  // namespace ashlar::host
