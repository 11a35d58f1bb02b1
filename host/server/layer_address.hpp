// How an operator names a layer of an export: EXPORT/LAYER.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "chain/export.hpp"

namespace ashlar::host {

struct LayerAddress {
  bool all_exports = false;  // EXPORT is *
  std::string exported;      // otherwise: its name
  std::string layer;  // a type, type#N for the Nth of that type from the client's side, or a tag that it alone has
};

// Splits at the last '/'. Throws std::invalid_argument.
LayerAddress parse_layer_address(const std::string& text);

// The layer's place in Export::layers(). None: there is none of that name.
std::optional<std::size_t> find_layer(const Export& exported, const LayerAddress& address);

// What its layers may be called, each once.
std::vector<std::string> layer_names(const Export& exported);

}  // namespace ashlar::host
