// Export: the recipe of one export's layers, made from the config.
#pragma once
#include <spdlog/logger.h>

#include <atomic>
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
  // Loads the modules and creates the layers, opens the chain once to see that it can be opened, and adds
  // zero-emulation right above a plugin that may answer "not supported". Throws ConfigError, Stopped. An optional
  // export whose layers cannot be created or opened is logged and stays without layers: each open() tries all that
  // anew. `registry` outlives it.
  Export(const Config& config, const ExportConfig& own, Registry& registry,
         const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity = Activity::make(),
         std::shared_ptr<Accounts> accounts = std::make_shared<Accounts>());

  const std::string& name() const { return own().name; }
  const std::string& description() const { return own().description; }
  bool read_only() const { return own().read_only; }
  bool requires_tls() const { return own().tls_required; }
  // Who may open it; null: everybody. Lives as long as the export.
  const AccessRules* allow() const;
  // Whether one client at a time may write; which one, write_place() knows.
  bool exclusive() const { return own().exclusive; }
  Places& write_place() { return write_place_; }
  // The places of all clients; null: there are as many as come.
  Places* places() { return places_ ? &*places_ : nullptr; }
  // Whether clients are told that they may use several connections, if the layers can. Who is the only one that writes
  // is not.
  bool multi_conn() const { return own().multi_conn && !own().exclusive; }
  // What its clients' requests came to. Shared with an export of the same name that takes its place.
  const std::shared_ptr<Accounts>& accounts() const { return accounts_; }
  // From the client's side down; the last is the plugin. None: they could not be created yet. [any thread]
  std::span<const std::unique_ptr<Layer>> layers() const;
  // One call at a time into the whole export, because a layer wants it so. [any thread]
  bool serial() const;
  Activity& activity() const { return *activity_; }

  // Logs how often the layers' warnings have come again; to be called every few seconds. [any thread]
  void tell_repeats() noexcept {
    for (const auto& layer : layers()) layer->tell_repeats();
  }

  // Tells the layers that they begin to serve; called once, when nothing else can keep the server from it. Of an
  // optional export that is not there yet, they are told when they are made. Throws ConfigError, Stopped.
  void begin_serving();

  // Opens all layers, bottom up. `client`: null: on trial; else it outlives the chain. `for_reading`: the chain is
  // read-only, also where the export is not; its layers, which only know of exports that are, are opened as for any
  // other client. Throws OpenError, Stopped. [any thread]
  std::unique_ptr<Chain> open(const ForClient* client = nullptr, bool for_reading = false);

  // Has the layer at `index` of layers() answer a verb that it offers. If the verb asks for it, the layers below are
  // opened for this call. Returns the answer; throws VerbError, OpenError when they cannot be opened, Stopped. [any
  // thread]
  std::string call_verb(std::size_t index, const std::string& verb, std::span<const std::string> arguments);

 private:
  const ExportConfig& own() const { return config_.exports.front(); }
  std::unique_ptr<Layer> layer(ModuleKind kind, const LayerConfig& config, std::size_t index, bool implicit) const;
  std::unique_ptr<Layers> make();
  void create(Layers& layers);
  ConfigError mistake_of(const OpenError& e) const;
  Layers& made();
  void begin_serving(const Layers& layers) const;
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
  mutable std::mutex make_mutex_;
  std::unique_ptr<Layers> layers_;            // once there, they stay
  bool serving_ = false;                      // under make_mutex_
  std::atomic<const Layers*> made_{nullptr};  // them, for who must not wait for their making
  Places write_place_{1};
  std::optional<Places> places_;
  const std::shared_ptr<Accounts> accounts_;
};

// What is served at a time. Whoever uses one of the exports holds all of them.
using Exports = std::vector<std::shared_ptr<Export>>;

}  // namespace ashlar::host
