// Export: the recipe of one export's layers, made from the config. Chain: the layers opened for one connection.
#pragma once
#include <spdlog/logger.h>

#include <ashlar/geometry.hpp>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "chain/open_error.hpp"
#include "config/config.hpp"
#include "log/log.hpp"
#include "module/registry.hpp"
#include "module/values.hpp"

namespace ashlar::host {

class Chain;

// One layer of an export: a module with its parameters. Destroyed with the export, before its library is let go.
class Layer {
 public:
  // Checks the parameters, and calls nothing of the module. Throws ConfigError.
  Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in, LayerConfig layer,
        bool implicit, const std::shared_ptr<spdlog::logger>& logger);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // Creates the layer; called once, before the layer is opened. Throws OpenError with the module's text.
  void create();

  const Library& library() const { return *library_; }
  const char* type() const { return library_->module().name; }
  bool implicit() const { return implicit_; }
  void* instance() const { return instance_; }
  // What to throw when the module has answered `status` and said `cause`.
  OpenError refused(std::int32_t status, const std::string& cause) const;

 private:
  std::shared_ptr<const Library> library_;
  const std::string export_name_;
  const LayerConfig config_;
  bool implicit_;
  Values values_;
  ModuleLog log_;
  bool created_ = false;
  void* instance_ = nullptr;
};

// The layers of an export.
struct Layers {
  std::vector<std::unique_ptr<Layer>> all;  // from the client's side down; the last is the plugin
  bool serial = false;                      // one call at a time into all of them, because one wants it so
  std::mutex serial_mutex;
};

class Export {
 public:
  // Loads the modules and creates the layers, opens the chain once to see that it can be opened, and adds
  // zero-emulation right above a plugin that may answer "not supported". Throws ConfigError. An optional export whose
  // layers cannot be created or opened is logged and stays without layers: each open() tries all that anew. `registry`
  // outlives it.
  Export(const Config& config, const ExportConfig& own, Registry& registry,
         const std::shared_ptr<spdlog::logger>& logger);

  const std::string& name() const { return own().name; }
  const std::string& description() const { return own().description; }
  bool read_only() const { return own().read_only; }
  // From the client's side down; the last is the plugin. None: they could not be created yet. [any thread]
  std::span<const std::unique_ptr<Layer>> layers() const;
  // One call at a time into the whole export, because a layer wants it so. [any thread]
  bool serial() const;

  // Opens all layers, bottom up. Throws OpenError. [any thread]
  std::unique_ptr<Chain> open();

 private:
  const ExportConfig& own() const { return config_.exports.front(); }
  std::shared_ptr<const Library> find(ModuleKind kind, const LayerConfig& layer) const;
  std::unique_ptr<Layer> layer(ModuleKind kind, const LayerConfig& config, bool implicit) const;
  std::unique_ptr<Layers> make();
  Layers& made();
  std::unique_ptr<Chain> open(Layers& layers, bool read_only);
  void add_zero_emulation(Layers& layers);
  std::string advice(const OpenError& refused, Layers& layers);

  const Config config_;  // of this export alone: optional ones need it again
  Registry& registry_;
  const std::shared_ptr<spdlog::logger> logger_;
  mutable std::mutex make_mutex_;
  std::unique_ptr<Layers> layers_;  // once there, they stay
};

// The layers of an export, opened. Owned by one connection; the export outlives it.
class Chain {
 public:
  Chain(const Export& of, Layers& layers) : export_(of), layers_(layers) {}
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
    if (!layers_.serial) return top_.process(top_.self, &io);
    return process_serial(io);
  }

 private:
  friend class Export;
  struct Opened {
    ashlar_device device;
    ashlar_geometry geometry;
    ashlar_open how;
  };
  // `read_only`: the export will not be written to. Throws OpenError; what was opened before stays open until the
  // destructor.
  void open_on_top(const Layer& layer, bool read_only);
  void finish(bool read_only);
  int process_serial(ashlar_io& io);

  const Export& export_;
  Layers& layers_;
  std::vector<std::unique_ptr<Opened>> opened_;  // bottom first
  ashlar_device top_{};
  Geometry geometry_;
};

}  // namespace ashlar::host
