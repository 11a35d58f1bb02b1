#include "chain/export.hpp"

#include <algorithm>
#include <ashlar/rules/extension.hpp>
#include <cerrno>
#include <utility>

#include "chain/chain.hpp"
#include "chain/find_module.hpp"
#include "chain/template.hpp"
#include "config/sandbox_refuses.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

bool connects_to_others(const Layer& plugin) { return rules::connects(plugin.library().module()); }

// How many of `layers`, from the top down, may be written to: up to the first that never writes below.
std::size_t layers_written(std::span<const std::unique_ptr<Layer>> layers) {
  const auto first = std::find_if(layers.begin(), layers.end(), [](const auto& l) { return l->never_writes_below(); });
  return static_cast<std::size_t>(first - layers.begin()) + (first == layers.end() ? 0 : 1);
}

}  // namespace

Export::Export(Unopened, const Config& config, const ExportConfig& own_config, Registry& registry,
               const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity, const Export* before,
               const std::shared_ptr<PlacesByName>& places)
    : activity_(std::move(activity)),
      config_(config_of(config, own_config)),
      registry_(registry),
      logger_(logger),
      backend_(std::make_shared<Backend>()),
      places_(places != nullptr ? places->of(name()) : std::make_shared<ExportPlaces>()),
      accounts_(before != nullptr ? before->accounts_ : std::make_shared<Accounts>()) {
  backend_->serving = true;
}

Export::Export(Uncreated, const Config& config, const ExportConfig& own_config, Registry& registry,
               const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity, const Export* before,
               const std::shared_ptr<PlacesByName>& places)
    : Export(Unopened{}, config, own_config, registry, logger, std::move(activity), before, places) {
  backend_->serving = false;
  if (own().is_template()) {
    const Template* const known = before != nullptr ? before->as_template() : nullptr;
    template_ = std::make_unique<Template>(config_, registry_, logger_, activity_, accounts_, known, places);
    connects_ = connects_to_others(*template_->layers().back());
    return;
  }
  try {
    loaded_ = load();
    connects_ = connects_to_others(*loaded_->all.back());
  } catch (const OpenError& e) {
    not_loaded_ = warning_of(e);
  }
}

Export::Export(const Config& config, const ExportConfig& own_config, Registry& registry,
               const std::shared_ptr<spdlog::logger>& logger, std::shared_ptr<Activity> activity, const Export* before,
               const std::shared_ptr<PlacesByName>& places)
    : Export(Uncreated{}, config, own_config, registry, logger, std::move(activity), before, places) {
  if (const std::string warning = create(); !warning.empty()) logger_->warn("{}", warning);
}

Export::Export(const Config& config, const ExportConfig& own_config, const Export& before)
    : activity_(before.activity_),
      config_(config_of(config, own_config)),
      registry_(before.registry_),
      logger_(before.logger_),
      backend_(before.backend_),
      places_(before.places_),
      accounts_(before.accounts_),
      connects_(before.connects_) {
  if (before.template_ != nullptr) template_ = std::make_unique<Template>(config_, *before.template_);
}

Export::~Export() = default;

void Export::each(const std::function<void(Export&)>& one) {
  if (template_ != nullptr) template_->each(one);
  else one(*this);
}

void Export::retire(bool clients_leave) {
  clients_leave_.store(clients_leave);
  retired_.store(true);
  if (template_ != nullptr) template_->retire(clients_leave);
}

void Export::tell_repeats() noexcept {
  try {
    each([](Export& one) {
      for (const auto& layer : one.layers()) layer->tell_repeats();
    });
  } catch (const std::exception&) {
    // Without memory they are told the next time.
  }
}

std::span<const std::unique_ptr<Layer>> Export::layers() const {
  const Layers* const layers = backend_->made.load(std::memory_order_acquire);
  if (layers == nullptr) return {};
  return layers->all;
}

bool Export::serial() const {
  const Layers* const layers = backend_->made.load(std::memory_order_acquire);
  return layers != nullptr && layers->serial;
}

// `index`: in the chain, from the top down.
std::unique_ptr<Layer> Export::layer(ModuleKind kind, const LayerConfig& config, std::size_t index,
                                     bool implicit) const {
  return std::make_unique<Layer>(find_module(config_, own(), kind, config, registry_, *activity_), config_, own(),
                                 config, static_cast<std::uint32_t>(index + 1), implicit, logger_, *activity_);
}

std::string Export::create() {
  if (template_ != nullptr) return template_->try_to_list();
  if (loaded_ == nullptr) return not_loaded_;
  try {
    take(create(std::move(loaded_)));
    return {};
  } catch (const OpenError& e) {
    return warning_of(e);
  }
}

// Of an export that is not optional it is a mistake.
std::string Export::warning_of(const OpenError& e) const {
  if (!own().optional) throw mistake_of(e);
  return std::string(e.what()) + "; it is optional, and will be tried again for each client";
}

void Export::take(std::unique_ptr<Layers> created) {
  backend_->layers = std::move(created);
  backend_->made.store(backend_->layers.get(), std::memory_order_release);
}

std::unique_ptr<Layers> Export::load() const {
  auto layers = std::make_unique<Layers>();
  // Every mistake of the config is found before any module is asked to do something.
  Mistakes mistakes;
  const auto add = [&](ModuleKind kind, const LayerConfig& config) {
    mistakes.gather([&] { layers->all.push_back(layer(kind, config, layers->all.size(), false)); });
  };
  for (const LayerConfig& filter : own().filters) add(ModuleKind::filter, filter);
  add(ModuleKind::plugin, own().plugin);
  mistakes.throw_if_any();
  return layers;
}

std::unique_ptr<Layers> Export::create(std::unique_ptr<Layers> layers) {
  create_each(*layers);
  try {
    if (own().zero_emulation) add_zero_emulation(*layers);
    note_size(open(*layers, read_only())->geometry().size);
  } catch (const OpenError& e) {
    throw OpenError(e.facts(), advice(e, *layers));
  }
  return layers;
}

// Each layer is created by itself, so one that cannot be does not keep what is wrong with the others from being told.
void Export::create_each(Layers& layers) {
  Mistakes mistakes;
  for (const auto& one : layers.all) {
    layers.serial = layers.serial || one->library().serial();
    try {
      one->create();
    } catch (const OpenError& e) {
      if (own().optional) throw;
      mistakes.add(mistake_of(e));
    }
  }
  mistakes.throw_if_any();
}

ConfigError Export::mistake_of(const OpenError& e) const {
  return mistake(config_, e.facts().place, e.facts().key, config_.is_image ? e.complaint() : e.what());
}

// A plugin may not be able to zero, or find out only when asked; a filter that writes zeroes then stands above it,
// where `ashlar check` shows it, rather than hidden in the host.
void Export::add_zero_emulation(Layers& layers) {
  const Geometry plugin = open(layers, read_only())->geometries().back();
  const bool written = !read_only() && layers_written(layers.all) == layers.all.size();
  const bool writable = plugin.ops.has(Op::write) && !plugin.read_only && written;
  if (!writable || (plugin.ops.has(Op::zero) && !plugin.zero_may_fail)) return;
  if (layers.all.size() > 1 && std::string_view(layers.all[layers.all.size() - 2]->type()) == "zero-emulation") return;
  LayerConfig config;
  config.type = "zero-emulation";
  config.place = own().plugin.place;
  auto made = layer(ModuleKind::filter, config, layers.all.size() - 1, true);
  made->create();
  layers.serial = layers.serial || made->library().serial();
  layers.all.insert(layers.all.end() - 1, std::move(made));
}

// What to do about storage that the sandbox keeps from being opened, or that must not be written to, if reading alone
// is possible.
std::string Export::advice(const OpenError& refused, Layers& layers) {
  const std::int32_t status = refused.facts().status;
  if (status == EACCES)
    for (const std::string& path : refused.facts().paths)
      if (std::string hint = sandbox_hint(path); !hint.empty()) return hint;
  if (read_only() || (status != EACCES && status != EPERM && status != EROFS)) return {};
  try {
    open(layers, true);
  } catch (const OpenError&) {
    return {};
  }
  return std::string("; ") + (config_.is_image ? "add --read-only" : "write read_only = true below its [[export]]") +
         " to serve it without writing";
}

const AccessRules* Export::allow() const {
  const auto& rules = own().allow ? own().allow : config_.server.allow;
  return rules ? &*rules : nullptr;
}

std::unique_ptr<Chain> Export::open(const ForClient* client, bool for_reading) {
  auto chain = open(made(), read_only(), client);
  note_size(chain->geometry().size);
  if (for_reading) chain->make_read_only();
  return chain;
}

std::string Export::try_as(const std::string& who) {
  if (template_ != nullptr) return {};
  try {
    open();
    return {};
  } catch (const OpenError& e) {
    const std::string text = "as " + who + ": " + e.what();
    if (!own().optional) throw mistake(config_, e.facts().place, e.facts().key, text);
    return text + "; it is optional, and will be tried again for each client";
  }
}

// A backend may grow or shrink while it is served. The protocol lets no server tell a client of it.
void Export::note_size(std::uint64_t size) {
  const std::uint64_t before = backend_->size.exchange(size, std::memory_order_relaxed);
  if (before != size && before != no_size)
    logger_->info("export {} has {} bytes now, and had {}; who has it open keeps the size that it was told",
                  in_quotes(name()), size, before);
}

std::optional<std::uint64_t> Export::size() const {
  const std::uint64_t size = backend_->size.load(std::memory_order_relaxed);
  if (size == no_size) return std::nullopt;
  return size;
}

void Export::begin_serving() {
  const std::lock_guard lock(backend_->make_mutex);
  if (backend_->serving) return;
  try {
    if (backend_->layers != nullptr) begin_serving(*backend_->layers);
  } catch (const OpenError& e) {
    throw mistake_of(e);
  }
  backend_->serving = true;
}

void Export::begin_serving(const Layers& layers) const {
  for (const auto& layer : layers.all) layer->begin_serving();
}

Layers& Export::made() {
  const std::lock_guard lock(backend_->make_mutex);
  if (backend_->layers != nullptr) return *backend_->layers;
  try {
    auto made = create(load());
    if (backend_->serving) begin_serving(*made);
    take(std::move(made));
  } catch (const ConfigError& e) {  // in the parameters of a module that was not there at the start
    throw OpenError(
        {.who = "export " + in_quotes(name()), .cause = "it has a module that cannot be used", .status = EIO},
        ": " + e.mistakes().front().line());
  }
  return *backend_->layers;
}

std::unique_ptr<Chain> Export::open(Layers& layers, bool read_only, const ForClient* client, std::size_t from,
                                    std::uint32_t purpose) {
  // Before the lock, which its destructor takes when a layer fails.
  auto chain = std::make_unique<Chain>(*this, layers, client != nullptr ? ASHLAR_OPEN_FOR_CLIENT : purpose, client);
  std::unique_lock<Turn> alone(layers.turn, std::defer_lock);
  if (layers.serial) alone.lock();
  const std::size_t last_written = from + layers_written(std::span(layers.all).subspan(from)) - 1;
  for (std::size_t i = layers.all.size(); i-- != from;)
    chain->open_on_top(*layers.all[i], read_only || i > last_written);
  chain->finish(read_only);
  return chain;
}

}  // namespace ashlar::host
