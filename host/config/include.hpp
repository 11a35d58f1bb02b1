// The files that `include` names.
#pragma once
#include "config/config.hpp"
#include "config/mistakes.hpp"

namespace ashlar::host {

// Reads the exports of the files that config.include names and adds them to config.exports: pattern by pattern, the
// files of one in the order of their names, each file once. A pattern that fits no file is no mistake.
void read_included(Config& config, Mistakes& mistakes);

}  // namespace ashlar::host
