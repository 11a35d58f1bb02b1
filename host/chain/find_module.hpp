// The module of a layer, as the config names it.
#pragma once
#include <memory>
#include <string>

#include "chain/activity.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"

namespace ashlar::host {

// A mistake in the config at `place`. Of an image on the command line, which has no keys, only what is wrong.
ConfigError mistake(const Config& config, Place place, const std::string& key, const std::string& what);

// Loads the module of `layer`, one of the export `own`. Throws ConfigError; of an optional export OpenError, when what
// `layer` names is a file that is not there: it may come later, with the file system it lies on.
std::shared_ptr<const Library> find_module(const Config& config, const ExportConfig& own, ModuleKind kind,
                                           const LayerConfig& layer, Registry& registry, Activity& activity);

}  // namespace ashlar::host
