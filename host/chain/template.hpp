// Template: the exports that one [[export]] with a '*' in its name stands for. Each is made when a client asks for it.
#pragma once
#include <spdlog/logger.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "account/accounts.hpp"
#include "chain/activity.hpp"
#include "chain/layer.hpp"
#include "chain/listed_exports.hpp"
#include "chain/places.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"

namespace ashlar::host {

class Export;

class Template {
 public:
  // So many exports that no client has open are kept, with their layers and counts; of more, those that were asked for
  // longest ago are let go of, each time when so many have been added.
  static constexpr std::size_t most_unused = 100;

  // `config`: of the template alone. Loads the modules and checks their parameters. What has become of exports that are
  // kept no longer is added to `accounts`. Throws ConfigError. All but `config` outlive it.
  Template(const Config& config, Registry& registry, std::shared_ptr<spdlog::logger> logger,
           std::shared_ptr<Activity> activity, std::shared_ptr<Accounts> accounts, const Template* before,
           std::shared_ptr<PlacesByName> places);
  // Takes the place of `before`, whose layers would be the same: no module is called.
  Template(const Config& config, const Template& before);
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  // Whether `name` could be one of its exports.
  bool fits(std::string_view name) const;
  // The export `name`, which fits. The layers are made when it is opened first; one of a template of this name that was
  // served before goes on as after a reload. Null: nothing is there that could be served by that name, or the template
  // is retired. May block. [any thread that may wait for modules]
  std::shared_ptr<Export> make(const std::string& name);

  // The layers as the config has them, from the client's side down. None of them is created.
  const std::vector<std::unique_ptr<Layer>>& layers() const { return prototype_->layers; }
  bool can_list() const;
  // Has the plugin list on trial what it could serve, if it can. Returns the warning that it has failed, where it is
  // optional; empty: there is nothing to warn of. Throws ConfigError, Stopped.
  std::string try_to_list();
  // The names of the exports that there could be now, `most` at most; none if the plugin cannot list them, or if they
  // take more than `most_bytes`, see listed_exports(). Throws OpenError, Stopped. [any thread that may wait for
  // modules]
  ListedExports list(std::size_t most, std::size_t most_bytes = std::numeric_limits<std::size_t>::max());

  // The one of this name, if it is there now, else null; whoever lets go of it last calls modules.
  std::shared_ptr<Export> find(std::string_view name) const;
  // Those that there are now: with the first, whoever lets go of one last calls modules; the second calls `one` for
  // each, which asks nothing of the template, and no module is called.
  std::vector<std::shared_ptr<Export>> exports() const;
  void each(const std::function<void(Export&)>& one) const;

  // From now on none is made; see Export::retire(), which is for all of them.
  void retire(bool clients_leave);

 private:
  // What templates share that take each other's place, if their layers would be the same.
  struct Prototype {
    std::vector<std::unique_ptr<Layer>> layers;
    std::mutex mutex;
    std::unique_ptr<Layer> lister;  // under mutex: the plugin, created to list; null: not yet
  };
  struct Made {
    std::shared_ptr<Export> exported;
    std::uint64_t turn = 0;  // of the last that asked for it
  };
  // What all templates share that take each other's place: a name has one entry, of the template that was asked last.
  struct Table {
    std::mutex mutex;
    std::map<std::string, Made, std::less<>> made;
    std::uint64_t last_turn = 0;
    std::size_t kept = 0;  // of made, when the last were let go of
  };

  std::unique_ptr<Layer> layer(ModuleKind kind, const LayerConfig& config, std::size_t index) const;
  void check_star() const;
  const LayerConfig& layer_of(std::size_t index) const;
  const ashlar_module& module_of(std::size_t index) const;
  bool is_there(std::string_view star) const;
  Layer& lister();
  const ExportConfig& own() const { return config_.exports.front(); }
  std::vector<std::shared_ptr<Export>> take_unused(const Export& but);

  const Config config_;
  Registry& registry_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::shared_ptr<Activity> activity_;
  const std::shared_ptr<Accounts> accounts_;
  const std::shared_ptr<PlacesByName> places_;  // of its exports; null: each has its own
  const std::shared_ptr<Table> table_;
  const std::shared_ptr<Prototype> prototype_;
  bool retired_ = false;  // under the table's mutex
};

}  // namespace ashlar::host
