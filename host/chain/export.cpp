#include "chain/export.hpp"

#include <algorithm>
#include <cerrno>

#include "chain/chain.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

// A mistake in the config at `place`. Of an image on the command line, which has no keys, only what is wrong.
ConfigError mistake(const Config& config, Place place, const std::string& key, const std::string& what) {
  if (config.is_image) return {{}, {}, what};
  return {config.file, place, "key " + in_quotes(key) + ": " + what};
}

// A config of one export alone.
Config config_of(const Config& all, const ExportConfig& own) {
  return {.file = all.file, .folder = all.folder, .is_image = all.is_image, .server = all.server, .exports = {own}};
}

}  // namespace

Export::Export(const Config& config, const ExportConfig& own_config, Registry& registry,
               const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity)
    : activity_(std::move(activity)), config_(config_of(config, own_config)), registry_(registry), logger_(logger) {
  try {
    layers_ = make();
    made_.store(layers_.get(), std::memory_order_release);
  } catch (const OpenError& e) {
    if (!own().optional)
      throw mistake(config_, e.facts().place, e.facts().key, config_.is_image ? e.complaint() : e.what());
    logger_->warn("{}; it is optional, and will be tried again for each client", e.what());
  }
}

std::span<const std::unique_ptr<Layer>> Export::layers() const {
  const Layers* const layers = made_.load(std::memory_order_acquire);
  if (layers == nullptr) return {};
  return layers->all;
}

bool Export::serial() const {
  const Layers* const layers = made_.load(std::memory_order_acquire);
  return layers != nullptr && layers->serial;
}

std::shared_ptr<const Library> Export::find(ModuleKind kind, const LayerConfig& layer) const {
  const LayerName& layer_of_export = activity_->keep(layer_name(name(), kind, layer.type));
  try {
    const Inside inside(*activity_, layer_of_export, Call::load);
    return registry_.find(kind, layer.type);
  } catch (const ModuleError& e) {
    // A file may come later, with the file system it lies on; a name that is not known is a typing error.
    std::error_code error;
    const bool may_come =
        own().optional && layer.type.find('/') != std::string::npos && !std::filesystem::exists(layer.type, error);
    if (!may_come) throw mistake(config_, layer.place, "type", e.what());
    throw OpenError({.who = who(layer_of_export),
                     .cause = e.what(),
                     .status = ENOENT,
                     .paths = {layer.type},
                     .key = "type",
                     .place = layer.place});
  }
}

std::unique_ptr<Layer> Export::layer(ModuleKind kind, const LayerConfig& config, bool implicit) const {
  return std::make_unique<Layer>(find(kind, config), config_, own(), config, implicit, logger_, *activity_);
}

std::unique_ptr<Layers> Export::make() {
  auto layers = std::make_unique<Layers>();
  // Every mistake of the config is found before any module is asked to do something.
  for (const LayerConfig& filter : own().filters) layers->all.push_back(layer(ModuleKind::filter, filter, false));
  layers->all.push_back(layer(ModuleKind::plugin, own().plugin, false));
  for (const auto& one : layers->all) {
    one->create();
    layers->serial = layers->serial || one->library().serial();
  }
  try {
    if (own().zero_emulation) add_zero_emulation(*layers);
    open(*layers, read_only());
  } catch (const OpenError& e) {
    throw OpenError(e.facts(), advice(e, *layers));
  }
  return layers;
}

// A plugin may not be able to zero, or find out only when asked; a filter that writes zeroes then stands above it,
// where `ashlar check` shows it, rather than hidden in the host.
void Export::add_zero_emulation(Layers& layers) {
  const Geometry plugin = open(layers, read_only())->geometries().back();
  const bool writable = plugin.ops.has(Op::write) && !plugin.read_only && !read_only();
  if (!writable || (plugin.ops.has(Op::zero) && !plugin.zero_may_fail)) return;
  if (layers.all.size() > 1 && std::string_view(layers.all[layers.all.size() - 2]->type()) == "zero-emulation") return;
  LayerConfig config;
  config.type = "zero-emulation";
  config.place = own().plugin.place;
  auto made = layer(ModuleKind::filter, config, true);
  made->create();
  layers.serial = layers.serial || made->library().serial();
  layers.all.insert(layers.all.end() - 1, std::move(made));
}

// What to do about storage that must not be written to, if reading alone is possible.
std::string Export::advice(const OpenError& refused, Layers& layers) {
  const std::int32_t status = refused.facts().status;
  if (read_only() || (status != EACCES && status != EPERM && status != EROFS)) return {};
  try {
    open(layers, true);
  } catch (const OpenError&) {
    return {};
  }
  return std::string("; ") + (config_.is_image ? "add --read-only" : "write read_only = true below its [[export]]") +
         " to serve it without writing";
}

std::unique_ptr<Chain> Export::open(const ForClient* client) { return open(made(), read_only(), client); }

Layers& Export::made() {
  const std::lock_guard lock(make_mutex_);
  if (layers_ != nullptr) return *layers_;
  try {
    layers_ = make();
    made_.store(layers_.get(), std::memory_order_release);
  } catch (const ConfigError& e) {  // in the parameters of a module that was not there at the start
    throw OpenError(
        {.who = "export " + in_quotes(name()), .cause = "it has a module that cannot be used", .status = EIO},
        std::string(": ") + e.what());
  }
  return *layers_;
}

std::unique_ptr<Chain> Export::open(Layers& layers, bool read_only, const ForClient* client) {
  auto chain =
      std::make_unique<Chain>(*this, layers, client);  // before the lock, which its destructor takes when a layer fails
  std::unique_lock<std::mutex> alone(layers.serial_mutex, std::defer_lock);
  if (layers.serial) alone.lock();
  for (auto layer = layers.all.rbegin(); layer != layers.all.rend(); ++layer) chain->open_on_top(**layer, read_only);
  chain->finish(read_only);
  return chain;
}

}  // namespace ashlar::host
