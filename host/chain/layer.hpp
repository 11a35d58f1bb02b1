// Layer: a module with the parameters that the config gives it.
#pragma once
#include <spdlog/logger.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "chain/activity.hpp"
#include "chain/error_text.hpp"
#include "chain/open_error.hpp"
#include "chain/services.hpp"
#include "chain/turn.hpp"
#include "config/config.hpp"
#include "config/without_secrets.hpp"
#include "module/registry.hpp"
#include "module/values.hpp"

namespace ashlar::host {

// The layer of `type` in an export, as the log names it.
LayerName layer_name(const std::string& export_name, ModuleKind kind, const std::string& type);
// It in words: export "disk": filter "log".
std::string who(const LayerName& layer);

// One layer of an export: a module with its parameters. Destroyed with the export, before its library is let go.
class Layer {
 public:
  // `place`: in the export's chain, 1 for the uppermost. Checks the parameters, and calls nothing of the module. Throws
  // ConfigError.
  Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in, LayerConfig layer,
        std::uint32_t place, bool implicit, const std::shared_ptr<spdlog::logger>& logger, Activity& activity);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // Creates the layer; called once, before the layer is opened. Throws OpenError with the module's text, Stopped.
  void create();
  // Tells the module that the layer begins to serve. (abi.h, ASHLAR_SERVING_ID) Throws OpenError, Stopped.
  void begin_serving();

  const Library& library() const { return *library_; }
  const char* type() const { return library_->module().name; }
  bool implicit() const { return implicit_; }
  void* instance() const { return layer_.self; }
  // Says that it never writes to the layers below.
  bool never_writes_below() const { return (layer_.traits & ASHLAR_NEVER_WRITES_BELOW) != 0; }
  const LayerName& name() const { return *name_; }
  // Its parameters, as the module has received them.
  const Values& values() const { return values_; }
  // What the host keeps of it.
  const Services& services() const { return services_; }
  // Logs how often the module's warnings have come again. [any thread]
  void tell_repeats() noexcept { services_.log().tell_repeats(); }
  // `text`, of the module, without the secrets that it was given.
  std::string without_secrets(const std::string& text) const { return host::without_secrets(text, secrets_); }
  // What to throw when the module has answered `status` and said `why`.
  OpenError refused(std::int32_t status, const ErrorText& why) const;
  // What to throw when it is at fault itself.
  OpenError at_fault(const std::string& cause) const;

 private:
  std::shared_ptr<const Library> library_;
  Activity& activity_;
  const std::shared_ptr<const LayerName> name_;
  const LayerConfig config_;
  bool implicit_;
  Values values_;
  const std::vector<std::string> secrets_;  // of the values, also as one line each
  Services services_;
  const std::string export_name_;
  bool created_ = false;
  const ashlar_create create_;
  ashlar_layer layer_{sizeof(ashlar_layer), 0, nullptr, 0};
};

// The layers of an export.
struct Layers {
  std::vector<std::unique_ptr<Layer>> all;  // from the client's side down; the last is the plugin
  bool serial = false;                      // one call at a time into all of them, because one wants it so
  Turn turn;
};

}  // namespace ashlar::host
