// Rules for users who have no pre-shared key.
#pragma once
#include <string>
#include <vector>

#include "config/config.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

// Adds a warning for each rule of `config` that is for a user who has no key now. That is no mistake, for one may come
// to the file later, without a reload.
void warn_of_unknown_users(const Config& config, Tls& tls, std::vector<std::string>& warnings);

}  // namespace ashlar::host
