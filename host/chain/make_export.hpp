// An export from a config that may have mistakes.
#pragma once
#include "chain/export.hpp"

namespace ashlar::host {

// The export that `own` wants where `before` is served, if no module has to be asked for it: `before` itself, or
// another with the same layers. Null: they would be others, or `before` is null.
std::shared_ptr<Export> export_after(const std::shared_ptr<Export>& before, const Config& config,
                                     const ExportConfig& own);

// The export, see Export; null when there are mistakes in it, which are added to `mistakes`. Of one that is flawed
// already, only the modules and parameters of its layers are checked, so that all mistakes can be told at once.
std::unique_ptr<Export> make_export(const Config& config, const ExportConfig& own, Registry& registry,
                                    const std::shared_ptr<spdlog::logger>& logger,
                                    const std::shared_ptr<Activity>& activity, Mistakes& mistakes,
                                    const Export* before = nullptr,
                                    const std::shared_ptr<PlacesByName>& places = nullptr);

}  // namespace ashlar::host
