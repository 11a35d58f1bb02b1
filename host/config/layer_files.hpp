// Files that layers of a config name, to see whether two of them name the same one.
#pragma once
#include <filesystem>
#include <string_view>

#include "config/config.hpp"

namespace ashlar::host {

// A text that a layer of this type has been given; null: it is of another type, or has none.
const TomlEntry* text_of(const LayerConfig& layer, std::string_view type, std::string_view key);

// The same for all names of a file, also where a link leads to its folder; it need not be there yet.
std::filesystem::path file_identity(const std::filesystem::path& path);

}  // namespace ashlar::host
