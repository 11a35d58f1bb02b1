// Setup: all that the server makes of a config. A reload makes a second one beside the one that is served.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chain/export.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"
#include "server/doors.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

// Where the config comes from, to have it read again.
struct ConfigSource {
  // Reads it, and has the command line's words take the place of the config's. Mistakes are added to `mistakes`. Throws
  // ConfigError, or another std::exception. Null: it cannot be read again. [any thread, one at a time]
  std::function<Config(Mistakes& mistakes)> read;
  std::string why_not;  // it can be read again
  // The folders that modules are found in. Throws std::exception. [any thread]
  std::function<std::vector<std::filesystem::path>(const ServerConfig&)> module_folders;
};

struct Setup {
  std::shared_ptr<const Config> config;
  std::shared_ptr<const Exports> exports;
  std::shared_ptr<Tls> tls;  // null: without
  Doors listen, control, metrics;
};

// What setups are made with; outlives them.
class SetupMaker {
 public:
  // Adds as mistakes what a running server cannot take up of a config, whose modules are found in `registry`.
  using CannotTakeUp = std::function<void(const Config& config, Registry& registry, Mistakes& mistakes)>;

  // All outlive it. `registry`: for the folders that it has.
  SetupMaker(boost::asio::io_context& io, Registry& registry, std::shared_ptr<spdlog::logger> logger,
             std::shared_ptr<Activity> activity, CannotTakeUp cannot_take_up)
      : io_(io),
        registry_(registry),
        logger_(std::move(logger)),
        activity_(std::move(activity)),
        cannot_take_up_(std::move(cannot_take_up)) {}

  // Reads the config and makes all that of it which is not in `before` already. Nothing of `before` changes, and no
  // client comes to what is new. Throws ConfigError with all mistakes, among them an address that cannot be listened
  // at; Stopped. [any thread, one at a time]
  Setup make(const ConfigSource& source, const Setup& before);

  // The parts of that. Exports of `before`, by their names, go on: as they are, or with other rules for their clients
  // around the same layers; or, with other layers, with their counts.
  std::shared_ptr<const Exports> make_exports(const Config& config, Registry& registry, const Exports& before,
                                              Mistakes& mistakes);
  std::unique_ptr<Tls> make_tls(const Config& config, Mistakes& mistakes);

  // Keeps no module loaded any longer, see Registry.
  void let_go();

 private:
  Registry& registry_for(std::vector<std::filesystem::path> folders);
  Doors make_doors(const char* key, const std::vector<ListenAddress>& wanted, const Doors& before, const Config& config,
                   Mistakes& mistakes);

  boost::asio::io_context& io_;
  Registry& registry_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::shared_ptr<Activity> activity_;
  const CannotTakeUp cannot_take_up_;
  const std::shared_ptr<PlacesByName> places_ = std::make_shared<PlacesByName>();
  // Of configs with other folders: exports have them as long as they live, and may come back to them.
  std::map<std::vector<std::filesystem::path>, std::unique_ptr<Registry>> others_;
};

}  // namespace ashlar::host
