#include "chain/make_exports.hpp"

#include <set>
#include <utility>

#include "chain/beside.hpp"
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

// Null: there are mistakes in it.
std::shared_ptr<Export> load_export(const Config& config, const ExportConfig& own, Registry& registry,
                                    const std::shared_ptr<spdlog::logger>& logger,
                                    const std::shared_ptr<Activity>& activity, Mistakes& mistakes, const Export* before,
                                    const std::shared_ptr<PlacesByName>& places) {
  if (config.server.module_path_flawed) return nullptr;  // what is not found may lie in the folder that is misspelt
  if (!own.flawed) {
    std::shared_ptr<Export> loaded;
    mistakes.gather([&] {
      loaded = std::make_shared<Export>(Export::Uncreated{}, config, own, registry, logger, activity, before, places);
    });
    return loaded;
  }
  const Config alone = config_of(config, own);
  for (const LayerConfig& filter : own.filters)
    mistakes.gather([&] { check_layer(alone, own, ModuleKind::filter, filter, registry, *activity); });
  mistakes.gather([&] { check_layer(alone, own, ModuleKind::plugin, own.plugin, registry, *activity); });
  return nullptr;
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

Exports make_exports(const Config& config, Registry& registry, const std::shared_ptr<spdlog::logger>& logger,
                     const std::shared_ptr<Activity>& activity, Mistakes& mistakes, const ServedBefore& before,
                     const std::shared_ptr<PlacesByName>& places) {
  Exports all, loaded;
  for (const ExportConfig& own : config.exports) {
    const std::shared_ptr<Export> known = before ? before(own.name) : nullptr;
    std::shared_ptr<Export> one = export_after(known, config, own);
    if (one == nullptr) {
      one = load_export(config, own, registry, logger, activity, mistakes, known.get(), places);
      if (one != nullptr) loaded.push_back(one);
    }
    if (one != nullptr) all.push_back(std::move(one));
  }
  std::vector<std::string> warnings;
  const std::set<std::size_t> mistaken = take_beside(
      loaded, [&](std::size_t index) { return loaded[index]->create(); }, mistakes, warnings);
  for (const std::string& warning : warnings) logger->warn("{}", warning);
  for (const std::size_t index : mistaken) std::erase(all, loaded[index]);
  return all;
}

}  // namespace ashlar::host
