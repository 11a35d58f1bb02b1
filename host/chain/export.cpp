#include "chain/export.hpp"

#include "chain/error_text.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

std::string who(const ExportConfig& in, const ashlar_module& module) {
  return (in.name.empty() ? "(default)" : in.name) + "/" + module.name;
}

// A module's complaint as a mistake in the config: at the parameter whose value it names, or else at the layer's type.
ConfigError blame(const Config& config, std::span<const LayerConfig* const> layers, const std::string& complaint) {
  for (const LayerConfig* layer : layers)
    for (const ConfigParameter& parameter : layer->parameters) {
      const auto* text = std::get_if<std::string>(&parameter.value);
      if (text == nullptr || text->empty() || complaint.find(*text) == std::string::npos) continue;
      return {config.file, parameter.value_place, "key " + in_quotes(parameter.key) + ": " + complaint};
    }
  return {config.file, layers.front()->place, "key \"type\": " + complaint};
}

ConfigError blame(const Config& config, const LayerConfig& layer, const std::string& complaint) {
  const LayerConfig* const one = &layer;
  return blame(config, {&one, 1}, complaint);
}

LayerName layer_name(const ExportConfig& in, ModuleKind kind, const std::string& type) {
  return {in.name, std::string(name(kind)) + " " + in_quotes(type)};
}

std::shared_ptr<const Library> find(const Config& config, const ExportConfig& in, Registry& registry, ModuleKind kind,
                                    const LayerConfig& layer, Activity& activity) {
  try {
    const Inside inside(activity, activity.keep(layer_name(in, kind, layer.type)), Call::load);
    return registry.find(kind, layer.type);
  } catch (const ModuleError& e) {
    throw ConfigError(config.file, layer.place, std::string("key \"type\": ") + e.what());
  }
}

}  // namespace

Layer::Layer(std::shared_ptr<const Library> library, const Config& config, const ExportConfig& in,
             const LayerConfig& layer, bool implicit, const std::shared_ptr<spdlog::logger>& logger, Activity& activity)
    : library_(std::move(library)),
      activity_(activity),
      name_(activity.keep(layer_name(in, library_->kind(), library_->module().name))),
      implicit_(implicit),
      values_(config, layer, library_->module()),
      log_(logger, who(in, library_->module())) {
  activity_.check();
  ErrorText refusal;
  const Inside inside(activity_, name_, Call::create);
  if (const std::int32_t status =
          library_->module().create(&log_.services(), values_.data(), &instance_, refusal.receiver()))
    throw blame(config, layer, name_.layer + ": " + refusal.cause(status));
}

Layer::~Layer() {
  {
    const Inside inside(activity_, name_, Call::destroy);
    library_->module().destroy(instance_);
  }
  const Inside inside(activity_, name_, Call::unload);  // nobody else may have it in use
  library_.reset();
}

Export::Export(const Config& config, const ExportConfig& own, Registry& registry,
               const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity)
    : activity_(std::move(activity)), name_(own.name), description_(own.description), read_only_(own.read_only) {
  const auto add = [&](ModuleKind kind, const LayerConfig& layer) {
    layers_.push_back(std::make_unique<Layer>(find(config, own, registry, kind, layer, *activity_), config, own, layer,
                                              false, logger, *activity_));
    serial_ = serial_ || layers_.back()->library().serial();
  };
  for (const LayerConfig& filter : own.filters) add(ModuleKind::filter, filter);
  add(ModuleKind::plugin, own.plugin);
  try {
    if (own.zero_emulation) add_zero_emulation(config, own, registry, logger);
    open_layers();
  } catch (const OpenError& e) {
    std::vector<const LayerConfig*> layers{&own.plugin};
    for (const LayerConfig& filter : own.filters) layers.push_back(&filter);
    throw blame(config, layers, e.what());
  }
}

// A plugin may not be able to zero, or find out only when asked; a filter that writes zeroes then stands above it, where
// `ashlar check` shows it, rather than hidden in the host.
void Export::add_zero_emulation(const Config& config, const ExportConfig& own, Registry& registry,
                                const std::shared_ptr<spdlog::logger>& logger) {
  const Geometry plugin = open_layers()->geometries().back();
  const bool writable = plugin.ops.has(Op::write) && !plugin.read_only && !read_only_;
  if (!writable || (plugin.ops.has(Op::zero) && !plugin.zero_may_fail)) return;
  if (layers_.size() > 1 && std::string_view(layers_[layers_.size() - 2]->type()) == "zero-emulation") return;
  LayerConfig layer;
  layer.type = "zero-emulation";
  layer.place = own.plugin.place;
  auto made = std::make_unique<Layer>(find(config, own, registry, ModuleKind::filter, layer, *activity_), config, own,
                                      layer, true, logger, *activity_);
  serial_ = serial_ || made->library().serial();
  layers_.insert(layers_.end() - 1, std::move(made));
}

std::unique_ptr<Chain> Export::open() { return open_layers(); }

std::unique_ptr<Chain> Export::open_layers() {
  auto chain = std::make_unique<Chain>(*this);  // before the lock, which its destructor takes when a layer fails
  std::unique_lock<std::mutex> alone(serial_mutex_, std::defer_lock);
  if (serial_) alone.lock();
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) chain->open_on_top(**layer);
  chain->finish(read_only_);
  return chain;
}

}  // namespace ashlar::host
