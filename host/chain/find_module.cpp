#include "chain/find_module.hpp"

#include <cerrno>

#include "chain/layer.hpp"
#include "chain/open_error.hpp"
#include "config/text.hpp"

namespace ashlar::host {

ConfigError mistake(const Config& config, Place place, const std::string& key, const std::string& what) {
  if (config.is_image) return {{}, {}, what};
  return {config.file, place, "key " + in_quotes(key) + ": " + what};
}

std::shared_ptr<const Library> find_module(const Config& config, const ExportConfig& own, ModuleKind kind,
                                           const LayerConfig& layer, Registry& registry, Activity& activity) {
  const auto layer_of_export = activity.keep(layer_name(own.name, kind, layer.type));
  try {
    const Inside inside(activity, *layer_of_export, Call::load);
    return registry.find(kind, layer.type);
  } catch (const ModuleError& e) {
    std::error_code error;
    const bool may_come =
        own.optional && layer.type.find('/') != std::string::npos && !std::filesystem::exists(layer.type, error);
    if (!may_come) throw mistake(config, layer.place, "type", e.what());
    throw OpenError({.who = who(*layer_of_export),
                     .cause = e.what(),
                     .status = ENOENT,
                     .paths = {layer.type},
                     .key = "type",
                     .place = layer.place});
  }
}

}  // namespace ashlar::host
