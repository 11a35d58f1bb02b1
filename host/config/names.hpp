// Exports of one name.
#pragma once
#include "config/config.hpp"
#include "config/mistakes.hpp"

namespace ashlar::host {

// Adds a mistake for each export whose name an earlier one has, with the places of both, and marks it as flawed.
void refuse_doubled_names(Config& config, Mistakes& mistakes);

}  // namespace ashlar::host
