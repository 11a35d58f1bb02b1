// Whether two configs say the same of an export, wherever in their files it stands.
#pragma once
#include "config/config.hpp"

namespace ashlar::host {

// Both are configs of one export alone. Whether its layers would be the same: same modules, parameters, and what else
// they are made by. (Whether the modules' files are the same is not asked.)
bool same_layers(const Config& a, const Config& b);

// Whether clients would find the same export: same_layers(), and the same name, description and rules of who may open
// it.
bool same_export(const Config& a, const Config& b);

// Whether the rules of who may open it stand at the same places in the files, too, as the log tells of them.
bool same_places_of_rules(const Config& a, const Config& b);

}  // namespace ashlar::host
