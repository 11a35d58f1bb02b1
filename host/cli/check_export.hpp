// What `ashlar check` tells of an export: for people, and for programs.
#pragma once
#include <ostream>
#include <vector>

#include "chain/chain.hpp"
#include "chain/export.hpp"
#include "cli/check_as.hpp"
#include "cli/json.hpp"

namespace ashlar::host {

// Both open the export. Throw OpenError when it cannot be opened, though it could be a moment ago, and is not optional.
void print_export(std::ostream& out, const ExportConfig& own, Export& exported);
// `seen`: what a client sees of it; null: that was not asked.
json::object export_to_json(const ExportConfig& own, Export& exported, const Seen* seen);

// What is in a set, by name, in the order of the bits.
std::vector<const char*> names(Ops ops);
std::vector<const char*> names(Flags flags);

}  // namespace ashlar::host
