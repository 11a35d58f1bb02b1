// Export: the recipe of one export's layers, made from the config. See chain.hpp for the layers of one connection.
#pragma once
#include <spdlog/logger.h>

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "chain/activity.hpp"
#include "chain/chain.hpp"
#include "config/config.hpp"
#include "log/log.hpp"
#include "module/registry.hpp"
#include "module/values.hpp"

namespace ashlar::host {

// One layer of an export: a module created with its parameters. Destroyed with the export, before its library is let go.
class Layer {
 public:
  // Throws ConfigError with the module's text when create fails, Stopped.
  Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in, const LayerConfig& layer,
        bool implicit, const std::shared_ptr<spdlog::logger>& logger, Activity& activity);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const Library& library() const { return *library_; }
  const char* type() const { return library_->module().name; }
  bool implicit() const { return implicit_; }
  void* instance() const { return instance_; }
  const LayerName& name() const { return name_; }

 private:
  std::shared_ptr<const Library> library_;
  Activity& activity_;
  const LayerName& name_;
  bool implicit_;
  Values values_;
  ModuleLog log_;
  void* instance_ = nullptr;
};

class Export {
 public:
  // Loads the modules and creates the layers, opens the chain once to see that it can be opened, and adds
  // zero-emulation right above a plugin that may answer "not supported". Throws ConfigError, Stopped.
  Export(const Config& config, const ExportConfig& own, Registry& registry,
         const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity = Activity::make());

  const std::string& name() const { return name_; }
  const std::string& description() const { return description_; }
  bool read_only() const { return read_only_; }
  // From the client's side down; the last is the plugin.
  std::span<const std::unique_ptr<Layer>> layers() const { return layers_; }
  // One call at a time into the whole export, because a layer wants it so.
  bool serial() const { return serial_; }
  std::mutex& serial_mutex() { return serial_mutex_; }
  Activity& activity() { return *activity_; }

  // Opens all layers, bottom up. Throws OpenError, Stopped. [any thread]
  std::unique_ptr<Chain> open();

 private:
  std::unique_ptr<Chain> open_layers();
  void add_zero_emulation(const Config& config, const ExportConfig& own, Registry& registry,
                          const std::shared_ptr<spdlog::logger>& logger);

  const std::shared_ptr<Activity> activity_;
  std::string name_, description_;
  bool read_only_;
  std::vector<std::unique_ptr<Layer>> layers_;
  bool serial_ = false;
  std::mutex serial_mutex_;
};

}  // namespace ashlar::host
