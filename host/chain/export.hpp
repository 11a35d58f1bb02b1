// Export: the recipe of one export's layers, made from the config.
#pragma once
#include <spdlog/logger.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "account/accounts.hpp"
#include "chain/activity.hpp"
#include "chain/layer.hpp"
#include "chain/places.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"

namespace ashlar::host {

class Chain;
class Template;
struct ForClient;

// Why a verb has not been answered, for who has called it: one line.
class VerbError : public std::runtime_error {
 public:
  VerbError(std::int32_t status, const std::string& what) : std::runtime_error(what), status_(status) {}
  std::int32_t status() const { return status_; }  // an errno number

 private:
  std::int32_t status_;
};

class Export {
 public:
  // Loads the modules and checks their parameters; create() has to be called next. Throws ConfigError. `registry`
  // outlives it. `before`: the export of this name whose place it is to take, or null: it shares the accounts, so that
  // counts go on. `places`: where it has the places of its clients from; null: they are its own.
  struct Uncreated {};
  Export(Uncreated, const Config& config, const ExportConfig& own, Registry& registry,
         const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity, const Export* before,
         const std::shared_ptr<PlacesByName>& places);
  // Creates the layers, opens the chain once to see that it can be opened, and adds zero-emulation right above a plugin
  // that may answer "not supported". Throws ConfigError, Stopped. An optional export whose layers cannot be created or
  // opened stays without layers: each open() tries all that anew. Returns the warning that tells of it; empty: there is
  // nothing to warn of. May wait long for other machines. [another export may be created at the same time]
  std::string create();
  // Both at once; the warning is logged.
  Export(const Config& config, const ExportConfig& own, Registry& registry,
         const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity = Activity::make(),
         const Export* before = nullptr, const std::shared_ptr<PlacesByName>& places = nullptr);
  // The same, but nothing of it is made before open() is called first; it serves already. `own` is optional.
  struct Unopened {};
  Export(Unopened, const Config& config, const ExportConfig& own, Registry& registry,
         const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity, const Export* before,
         const std::shared_ptr<PlacesByName>& places);
  // Takes the place of `before`, whose layers are as `own` wants them (see same_layers()), and shares those, too: no
  // module is called.
  Export(const Config& config, const ExportConfig& own, const Export& before);
  ~Export();

  // What makes the exports that it stands for, if its name has a '*'; then it has no layers, and is opened by nobody.
  // Null: it is one itself.
  Template* as_template() const { return template_.get(); }
  // Calls `one` for it, or for each that it stands for and that there is now. No module is called.
  void each(const std::function<void(Export&)>& one);

  const std::string& name() const { return own().name; }
  const std::string& description() const { return own().description; }
  // The name of the template that stands for it; empty: none does.
  const std::string& of_template() const { return own().of_template; }
  bool read_only() const { return own().read_only; }
  bool requires_tls() const { return own().tls_required; }
  // Who may open it; null: everybody. Lives as long as the export.
  const AccessRules* allow() const;
  // The places of those who write, and of all clients, and how many there may be. Exports of one name share them, so
  // that those who came before a reload still count.
  Places& write_places() { return places_->of_writers; }
  Places& places() { return places_->of_clients; }
  std::size_t most_writers() const { return own().exclusive ? 1 : Places::unlimited; }
  std::size_t most_clients() const { return own().max_connections.value_or(Places::unlimited); }
  // Whether clients are told that they may use several connections, if the layers can. Who is the only one that writes
  // is not.
  bool multi_conn() const { return own().multi_conn && !own().exclusive; }
  // Whether it is no longer served: who asks for its name now gets another export, or none. Clients that have it keep
  // it, unless they are to leave, too. [any thread]
  bool retired() const { return retired_.load(); }
  bool clients_are_to_leave() const { return clients_leave_.load(); }
  void retire(bool clients_leave);
  // What it was made from: a config of this export alone.
  const Config& config() const { return config_; }
  // What its clients' requests came to. Shared with an export of the same name that takes its place.
  const std::shared_ptr<Accounts>& accounts() const { return accounts_; }
  // From the client's side down; the last is the plugin. None: they have not been created yet. [any thread]
  std::span<const std::unique_ptr<Layer>> layers() const;
  // One call at a time into the whole export, because a layer wants it so. [any thread]
  bool serial() const;
  // Whether its plugin says that it connects to others. (abi.h, ASHLAR_CONNECTS_ID)
  bool connects() const { return connects_; }
  Activity& activity() const { return *activity_; }
  // Bytes, as it had them when it was opened last. None: it has not been opened yet. [any thread]
  std::optional<std::uint64_t> size() const;

  // Logs how often the layers' warnings have come again; to be called every few seconds. [any thread]
  void tell_repeats() noexcept;

  // Tells the layers that they begin to serve, unless they do so already; called when nothing else can keep the server
  // from it. Of an optional export that is not there yet, they are told when they are made. Throws ConfigError,
  // Stopped.
  void begin_serving();

  // Opens all layers, bottom up. `client`: null: on trial; else it outlives the chain. `for_reading`: the chain is
  // read-only, also where the export is not; its layers, which only know of exports that are, are opened as for any
  // other client. Throws OpenError, Stopped. [any thread]
  std::unique_ptr<Chain> open(const ForClient* client = nullptr, bool for_reading = false);

  // The same, on trial, when the process has become another user; `who` says which. Returns the warning that an
  // optional export cannot be opened; empty: there is nothing to warn of. A template has nothing to open. Throws
  // ConfigError, Stopped.
  std::string try_as(const std::string& who);

  // Why it could not be opened, as a mistake of its config.
  ConfigError mistake_of(const OpenError& e) const;

  // Has the layer at `index` of layers() answer a verb that it offers. If the verb asks for it, the layers below are
  // opened for this call. `cancellation`: when nobody wants the answer any more; null: when the server stops. Returns
  // the answer; throws VerbError, OpenError when they cannot be opened, Stopped. [any thread]
  std::string call_verb(std::size_t index, const std::string& verb, std::span<const std::string> arguments,
                        Cancellation* cancellation = nullptr);

 private:
  static constexpr std::uint64_t no_size = UINT64_MAX;
  // The layers, which exports share that take each other's place.
  struct Backend {
    std::mutex make_mutex;
    std::unique_ptr<Layers> layers;            // once there, they stay
    bool serving = false;                      // under make_mutex
    std::atomic<std::uint64_t> size{no_size};  // when opened last
    std::atomic<const Layers*> made{nullptr};  // them, for who must not wait for their making
  };

  const ExportConfig& own() const { return config_.exports.front(); }
  std::unique_ptr<Layer> layer(ModuleKind kind, const LayerConfig& config, std::size_t index, bool implicit) const;
  std::unique_ptr<Layers> load() const;
  std::unique_ptr<Layers> create(std::unique_ptr<Layers> loaded);
  void create_each(Layers& layers);
  void take(std::unique_ptr<Layers> created);
  std::string warning_of(const OpenError& e) const;
  Layers& made();
  void begin_serving(const Layers& layers) const;
  void note_size(std::uint64_t size);
  // Opens the layers from the one at `from` down. `client`: null: `purpose` is none of a client's.
  std::unique_ptr<Chain> open(Layers& layers, bool read_only, const ForClient* client = nullptr, std::size_t from = 0,
                              std::uint32_t purpose = ASHLAR_OPEN_ON_TRIAL);
  std::unique_ptr<Chain> open_for_verb(Layers& layers, std::size_t index, const ashlar_verb& verb);
  void add_zero_emulation(Layers& layers);
  std::string advice(const OpenError& refused, Layers& layers);

  const std::shared_ptr<Activity> activity_;
  const Config config_;  // of this export alone: optional ones need it again
  Registry& registry_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::shared_ptr<Backend> backend_;
  const std::shared_ptr<ExportPlaces> places_;
  const std::shared_ptr<Accounts> accounts_;
  std::unique_ptr<Template> template_;
  std::unique_ptr<Layers> loaded_;  // until create()
  std::string not_loaded_;          // why not: the warning that create() returns
  bool connects_ = false;
  std::atomic<bool> retired_{false}, clients_leave_{false};
};

// What is served at a time.
using Exports = std::vector<std::shared_ptr<Export>>;

}  // namespace ashlar::host
