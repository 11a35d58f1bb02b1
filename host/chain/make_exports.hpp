// The exports from a config that may have mistakes.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "chain/export.hpp"
#include "config/mistakes.hpp"

namespace ashlar::host {

// The export that `own` wants where `before` is served, if no module has to be asked for it: `before` itself, or
// another with the same layers. Null: they would be others, or `before` is null.
std::shared_ptr<Export> export_after(const std::shared_ptr<Export>& before, const Config& config,
                                     const ExportConfig& own);

// The export of a name that is served already; null: there is none.
using ServedBefore = std::function<std::shared_ptr<Export>(const std::string& name)>;

// The exports of `config`, in its order, see Export; of those that `before` knows, what export_after() says. Left out
// are those with mistakes, which are added to `mistakes`. Of one that is flawed already, only the modules and
// parameters of its layers are checked, so that all mistakes can be told at once. Modules are loaded one after the
// other; layers are created and opened behind that, see take_beside(). Warnings are logged in the order of the config.
// Throws Stopped.
Exports make_exports(const Config& config, Registry& registry, const std::shared_ptr<spdlog::logger>& logger,
                     const std::shared_ptr<Activity>& activity, Mistakes& mistakes, const ServedBefore& before = {},
                     const std::shared_ptr<PlacesByName>& places = nullptr);

}  // namespace ashlar::host
