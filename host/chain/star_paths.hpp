// The layers of a template with a name in the place of the '*', and the files that they name then.
#pragma once
#include <string_view>

#include "config/config.hpp"
#include "module/values.hpp"

namespace ashlar::host {

// Whether the '*' stands anywhere in the parameters of `layer`, one of `module`, where a name would be put.
bool has_star(const LayerConfig& layer, const ashlar_module& module);

// `layer` with `star` in the place of each '*' in the texts of its parameters; a secret that is given as a text keeps
// its own.
LayerConfig with_star(const LayerConfig& layer, const ashlar_module& module, std::string_view star);

// Whether the files that the parameters of type PATH name by the '*' can be what `star` means: each is a regular file,
// a block device or a folder, and lies, unless `follow_links`, below the folder in which the '*' is, wherever links
// lead to. One that is not there can be made by a filter, but is nothing that a plugin could serve. Relative paths
// count from `folder`. [any thread that may wait for file systems]
bool is_there(const LayerConfig& layer, const ashlar_module& module, std::string_view star,
              const std::filesystem::path& folder, bool follow_links);

}  // namespace ashlar::host
