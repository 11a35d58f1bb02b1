// Export: the recipe of one export's layers, made from the config. Chain: the layers opened for one connection.
#pragma once
#include <ashlar/geometry.hpp>

#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <spdlog/logger.h>

#include "config/config.hpp"
#include "log/module_log.hpp"
#include "module/registry.hpp"
#include "module/values.hpp"

namespace ashlar::host {

class Chain;

// A layer that cannot be opened; the text names export and layer and gives the cause.
class OpenError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One layer of an export: a module created with its parameters. Destroyed with the export, before its library is let go.
class Layer {
 public:
  // Throws ConfigError with the module's text when create fails.
  Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in, const LayerConfig& layer,
        bool implicit, const std::shared_ptr<spdlog::logger>& logger);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const Library& library() const { return *library_; }
  const char* type() const { return library_->module().name; }
  bool implicit() const { return implicit_; }
  void* instance() const { return instance_; }
  void tell_repeats() noexcept { log_.tell_repeats(); }

 private:
  std::shared_ptr<const Library> library_;
  bool implicit_;
  Values values_;
  ModuleLog log_;
  void* instance_ = nullptr;
};

class Export {
 public:
  // Loads the modules and creates the layers, opens the chain once to see that it can be opened, and adds zero-emulation
  // right above a plugin that may answer "not supported". Throws ConfigError.
  Export(const Config& config, const ExportConfig& own, Registry& registry, const std::shared_ptr<spdlog::logger>& logger);

  const std::string& name() const { return name_; }
  const std::string& description() const { return description_; }
  bool read_only() const { return read_only_; }
  // From the client's side down; the last is the plugin.
  std::span<const std::unique_ptr<Layer>> layers() const { return layers_; }
  // One call at a time into the whole export, because a layer wants it so.
  bool serial() const { return serial_; }
  std::mutex& serial_mutex() { return serial_mutex_; }

  // Logs how often the layers' warnings have come again; to be called every few seconds. [any thread]
  void tell_repeats() noexcept {
    for (const auto& layer : layers_) layer->tell_repeats();
  }

  // Opens all layers, bottom up. Throws OpenError. [any thread]
  std::unique_ptr<Chain> open();

 private:
  std::unique_ptr<Chain> open_layers();
  void add_zero_emulation(const Config& config, const ExportConfig& own, Registry& registry,
                          const std::shared_ptr<spdlog::logger>& logger);

  std::string name_, description_;
  bool read_only_;
  std::vector<std::unique_ptr<Layer>> layers_;
  bool serial_ = false;
  std::mutex serial_mutex_;
};

// The layers of an export, opened. Owned by one connection; the export outlives it.
class Chain {
 public:
  explicit Chain(Export& of) : export_(of) {}
  ~Chain();  // closes from the top down
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // What the top offers, cut to what a read-only export allows. Fixed at open.
  const Geometry& geometry() const { return geometry_; }
  // What each layer offers, from the client's side down.
  std::vector<Geometry> geometries() const;
  const Export& exported() const { return export_; }

  // Runs one request through the layers; returns 0 or an errno number. [several threads at once, also if the export is serial]
  int process(ashlar_io& io) {
    if (!export_.serial()) return top_.process(top_.self, &io);
    return process_serial(io);
  }

 private:
  friend class Export;
  struct Opened {
    ashlar_device device;
    ashlar_geometry geometry;
    ashlar_open how;
  };
  // Throws OpenError; what was opened before stays open until the destructor.
  void open_on_top(Layer& layer);
  void finish(bool read_only);
  int process_serial(ashlar_io& io);

  Export& export_;
  std::vector<std::unique_ptr<Opened>> opened_;  // bottom first
  ashlar_device top_{};
  Geometry geometry_;
};

}  // namespace ashlar::host
