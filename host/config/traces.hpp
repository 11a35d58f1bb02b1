// Layers that trace and could not be told apart.
#pragma once
#include <string>

#include "config/config.hpp"
#include "config/mistakes.hpp"

namespace ashlar::host {

// The filter trace writes a file of its own: two that name the same one are a mistake, of which both places are told,
// and so is one of a template whose exports would all have the same. Two of one export with one tag are one, too.
// No layer can see the others, so it is seen here.
void refuse_shared_traces(const Config& config, Mistakes& mistakes);

// The layers of a template are made when a client comes, but the folder of their traces has to be there before, so that
// one in which nothing can be made is a mistake. `who`: the user for whom that is so, if it matters.
void refuse_folders_of_traces(const Config& config, Mistakes& mistakes, const std::string& who = {});

}  // namespace ashlar::host
