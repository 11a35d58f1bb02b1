// What exports do beside each other, because each of them may wait long for another machine.
#pragma once
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "chain/export.hpp"
#include "config/mistakes.hpp"

namespace ashlar::host {

// What is to be done with the export at `index`. Returns a warning; empty: there is nothing to warn of. Throws
// ConfigError, Stopped, or what ends the whole.
using Step = std::function<std::string(std::size_t index)>;

// Takes `step` for all `exports`: for those whose plugin connects to nobody one after the other, since two of them may
// want one thing of this machine for themselves while they are opened; then for the others at once, up to 16 of them.
// Mistakes and warnings are added in the order of `exports`, whichever came first. Throws Stopped when the server is
// told to stop meanwhile, and what a step has thrown that is no ConfigError; no step is under way then. Returns which
// of `exports` have mistakes.
std::set<std::size_t> take_beside(const Exports& exports, const Step& step, Mistakes& mistakes,
                                  std::vector<std::string>& warnings);

}  // namespace ashlar::host
