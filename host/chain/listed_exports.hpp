// What a plugin could serve, for exports that are templates. (abi.h, ASHLAR_EXPORTS_ID)
#pragma once
#include <limits>
#include <string>
#include <vector>

#include "chain/activity.hpp"

namespace ashlar::host {

class Layer;

struct ListedExport {
  std::string name;  // what could stand for the '*'
  std::string description;
};

struct ListedExports {
  std::vector<ListedExport> exports;  // sorted by name, each name once
  bool is_cut = false;                // there are more
  std::size_t bytes = 0;              // of memory that they take while they are gathered, at most
};

// Whether `layer`, a plugin that has been created, can list what it could serve.
bool lists_exports(const Layer& layer);

// What it lists, at most `most` names, each of which can_stand_for_star(). When they take more than `most_bytes`, there
// is none, and `bytes` tells how many they would take. Throws OpenError with the module's text.
// [any thread; of a serial layer, while no other call runs in it]
ListedExports listed_exports(const Layer& layer, Activity& activity, std::size_t most,
                             std::size_t most_bytes = std::numeric_limits<std::size_t>::max());

}  // namespace ashlar::host
