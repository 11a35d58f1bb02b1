#include "chain/make_export.hpp"

#include "chain/find_module.hpp"
#include "config/same.hpp"
#include "module/values.hpp"

namespace ashlar::host {
namespace {

void check_layer(const Config& config, const ExportConfig& own, ModuleKind kind, const LayerConfig& layer,
                 Registry& registry, Activity& activity) {
  if (layer.type.empty()) return;  // its mistake is known
  try {
    const auto library = find_module(config, own, kind, layer, registry, activity);
    const Values values(config, layer, library->module());
  } catch (const OpenError&) {
    // A file that may come later: no mistake.
  }
}

}  // namespace

std::shared_ptr<Export> export_after(const std::shared_ptr<Export>& before, const Config& config,
                                     const ExportConfig& own) {
  if (before == nullptr || own.flawed) return nullptr;
  const Config wanted = config_of(config, own);
  if (!same_layers(before->config(), wanted)) return nullptr;
  if (same_export(before->config(), wanted) && same_places_of_rules(before->config(), wanted)) return before;
  return std::make_shared<Export>(config, own, *before);
}

std::unique_ptr<Export> make_export(const Config& config, const ExportConfig& own, Registry& registry,
                                    const std::shared_ptr<spdlog::logger>& logger,
                                    const std::shared_ptr<Activity>& activity, Mistakes& mistakes, const Export* before,
                                    const std::shared_ptr<PlacesByName>& places) {
  if (config.server.module_path_flawed) return nullptr;  // what is not found may lie in the folder that is misspelt
  std::unique_ptr<Export> made;
  if (!own.flawed) {
    mistakes.gather([&] { made = std::make_unique<Export>(config, own, registry, logger, activity, before, places); });
    return made;
  }
  const Config alone = config_of(config, own);
  for (const LayerConfig& filter : own.filters)
    mistakes.gather([&] { check_layer(alone, own, ModuleKind::filter, filter, registry, *activity); });
  mistakes.gather([&] { check_layer(alone, own, ModuleKind::plugin, own.plugin, registry, *activity); });
  return nullptr;
}

}  // namespace ashlar::host
