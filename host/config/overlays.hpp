// Layers of the filter cow that could not be served together.
#pragma once
#include "config/config.hpp"
#include "config/mistakes.hpp"

namespace ashlar::host {

// An overlay that is kept has a file of its own: two that name the same one are a mistake, of which both places are
// told, and so is one of a template whose exports would all have the same. No layer can see the others, so it is seen
// here.
void refuse_shared_overlays(const Config& config, Mistakes& mistakes);

}  // namespace ashlar::host
