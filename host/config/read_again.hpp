// What a server reads again while it runs, and whether it may.
#pragma once
#include <vector>

#include "config/config.hpp"

namespace ashlar::host {

// Those of the files that a reload of `config` reads, or that are read when they change, which the calling thread may
// not read now: the config, what it includes, certificates and keys of TLS, secrets. Each once, with the key that names
// it; where it is a folder above them that may not be searched, that one.
std::vector<Mistake> unreadable(const Config& config);

}  // namespace ashlar::host
