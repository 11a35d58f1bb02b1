// An export from a config that may have mistakes.
#pragma once
#include "chain/export.hpp"

namespace ashlar::host {

// The export, see Export; null when there are mistakes in it, which are added to `mistakes`. Of one that is flawed
// already, only the modules and parameters of its layers are checked, so that all mistakes can be told at once.
std::unique_ptr<Export> make_export(const Config& config, const ExportConfig& own, Registry& registry,
                                    const std::shared_ptr<spdlog::logger>& logger,
                                    const std::shared_ptr<Activity>& activity, Mistakes& mistakes);

}  // namespace ashlar::host
