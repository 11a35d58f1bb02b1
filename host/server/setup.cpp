#include "server/setup.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "chain/make_exports.hpp"
#include "chain/template.hpp"
#include "config/same.hpp"
#include "config/text.hpp"
#include "server/unknown_users.hpp"

namespace ashlar::host {
namespace {

std::vector<ListenAddress> listed(const std::optional<ListenAddress>& address) {
  if (!address) return {};
  return {*address};
}

// Calls `act`; what it throws is added as a mistake, whatever it is. Whether it threw nothing.
template <class Act>
bool gather_all(Mistakes& mistakes, Act act) {
  try {
    return mistakes.gather(act);
  } catch (const Stopped&) {
    throw;
  } catch (const std::exception& e) {
    mistakes.add(ConfigError({}, {}, e.what()));
    return false;
  }
}

}  // namespace

Setup SetupMaker::make(const ConfigSource& source, const Setup& before) {
  Mistakes mistakes;
  auto config = std::make_shared<Config>();
  Registry* registry = nullptr;
  if (!gather_all(mistakes, [&] { *config = source.read(mistakes); }) ||
      !gather_all(mistakes, [&] { registry = &registry_for(source.module_folders(config->server)); }))
    mistakes.throw_if_any();
  const std::size_t before_that = mistakes.size();
  cannot_take_up_(*config, *registry, mistakes);
  if (mistakes.size() != before_that) mistakes.throw_if_any();  // opening it would only say less of it
  Setup made;
  made.exports = make_exports(*config, *registry, *before.exports, mistakes);
  made.tls = make_tls(*config, mistakes);
  mistakes.throw_if_any();
  made.listen = make_doors("listen", config->server.listen, before.listen, *config, mistakes);
  made.control = make_doors("control", listed(config->server.control), before.control, *config, mistakes);
  made.metrics = make_doors("metrics", listed(config->server.metrics), before.metrics, *config, mistakes);
  mistakes.throw_if_any();
  // The last thing that can fail: from here on it is seen from outside that there is a new config.
  for (const auto& exported : *made.exports) exported->begin_serving();
  made.config = std::move(config);
  return made;
}

std::shared_ptr<const Exports> SetupMaker::make_exports(const Config& config, Registry& registry, const Exports& before,
                                                        Mistakes& mistakes) {
  std::unordered_map<std::string, std::shared_ptr<Export>> known;
  for (const auto& one : before) known.emplace(one->name(), one);
  for (const auto& one : before)
    if (const Template* const of = one->as_template())
      for (auto& made : of->exports()) known.emplace(made->name(), made);
  const auto served_before = [&](const std::string& name) {
    const auto found = known.find(name);
    return found != known.end() ? found->second : nullptr;
  };
  return std::make_shared<const Exports>(
      host::make_exports(config, registry, logger_, activity_, mistakes, served_before, places_));
}

std::unique_ptr<Tls> SetupMaker::make_tls(const Config& config, Mistakes& mistakes) {
  std::unique_ptr<Tls> tls;
  std::vector<std::string> warnings;
  mistakes.gather([&] { tls = host::make_tls(config, warnings); });
  if (tls != nullptr) warn_of_unknown_users(config, *tls, warnings);
  for (const std::string& warning : warnings) logger_->warn("{}", warning);
  return tls;
}

Doors SetupMaker::make_doors(const char* key, const std::vector<ListenAddress>& wanted, const Doors& before,
                             const Config& config, Mistakes& mistakes) {
  Doors doors;
  gather_all(mistakes, [&] {
    try {
      doors = host::make_doors(io_, wanted, before, static_cast<unsigned>(config.server.keepalive.count()),
                               [this](const Door&) { activity_->check(); });
    } catch (const DoorError& e) {
      if (e.place().line == 0) throw;
      throw ConfigError(config.file, e.place(), "key " + in_quotes(key) + ": " + e.what());
    }
  });
  return doors;
}

Registry& SetupMaker::registry_for(std::vector<std::filesystem::path> folders) {
  const auto& first = registry_.folders();
  if (std::equal(folders.begin(), folders.end(), first.begin(), first.end() - 1)) return registry_;
  std::unique_ptr<Registry>& other = others_[folders];
  if (other == nullptr) other = std::make_unique<Registry>(std::move(folders));
  return *other;
}

void SetupMaker::let_go() {
  registry_.let_go();
  for (const auto& [folders, other] : others_) other->let_go();
}

}  // namespace ashlar::host
