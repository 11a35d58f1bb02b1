#include "chain/template.hpp"

#include <algorithm>
#include <utility>

#include "chain/export.hpp"
#include "chain/find_module.hpp"
#include "chain/make_exports.hpp"
#include "chain/star.hpp"
#include "chain/star_paths.hpp"
#include "config/text.hpp"

namespace ashlar::host {

Template::Template(const Config& config, Registry& registry, std::shared_ptr<spdlog::logger> logger,
                   std::shared_ptr<Activity> activity, std::shared_ptr<Accounts> accounts, const Template* before,
                   std::shared_ptr<PlacesByName> places)
    : config_(config),
      registry_(registry),
      logger_(std::move(logger)),
      activity_(std::move(activity)),
      accounts_(std::move(accounts)),
      places_(std::move(places)),
      table_(before != nullptr ? before->table_ : std::make_shared<Table>()),
      prototype_(std::make_shared<Prototype>()) {
  Mistakes mistakes;
  const auto add = [&](ModuleKind kind, const LayerConfig& of) {
    mistakes.gather([&] { prototype_->layers.push_back(layer(kind, of, prototype_->layers.size())); });
  };
  for (const LayerConfig& filter : own().filters) add(ModuleKind::filter, filter);
  add(ModuleKind::plugin, own().plugin);
  mistakes.throw_if_any();
  check_star();
}

Template::Template(const Config& config, const Template& before)
    : config_(config),
      registry_(before.registry_),
      logger_(before.logger_),
      activity_(before.activity_),
      accounts_(before.accounts_),
      places_(before.places_),
      table_(before.table_),
      prototype_(before.prototype_) {}

// Without a '*' in them, all names would be one disk, or a disk for each name that anybody can think of.
void Template::check_star() const {
  for (std::size_t i = 0; i < layers().size(); ++i)
    if (has_star(layer_of(i), module_of(i))) return;
  throw mistake(config_, own().name_place, "name",
                in_quotes(own().name) +
                    " is a template, but no parameter of its layers has the *; put it where the name is to stand, "
                    "such as path = \"images/*\"");
}

std::unique_ptr<Layer> Template::layer(ModuleKind kind, const LayerConfig& config, std::size_t index) const {
  ExportConfig needed = own();
  needed.optional = false;  // what its parameters are has to be known
  return std::make_unique<Layer>(find_module(config_, needed, kind, config, registry_, *activity_), config_, own(),
                                 config, static_cast<std::uint32_t>(index + 1), false, logger_, *activity_);
}

const LayerConfig& Template::layer_of(std::size_t index) const {
  return index < own().filters.size() ? own().filters[index] : own().plugin;
}

const ashlar_module& Template::module_of(std::size_t index) const { return layers()[index]->library().module(); }

// Whether the files that `star` stands for are there, as far as the layers have files.
bool Template::is_there(std::string_view star) const {
  for (std::size_t i = 0; i < layers().size(); ++i)
    if (!host::is_there(layer_of(i), module_of(i), star, config_.folder, own().follow_links)) return false;
  return true;
}

bool Template::fits(std::string_view name) const { return star_in(own().name, name).has_value(); }

std::shared_ptr<Export> Template::make(const std::string& name) {
  const auto star = star_in(own().name, name);
  if (!star) return nullptr;
  ExportConfig wanted = own();
  wanted.name = name;
  wanted.of_template = own().name;
  wanted.optional = true;  // it is there when it can be opened
  if (!is_there(*star)) return nullptr;
  for (std::size_t i = 0; i < layers().size(); ++i) {
    LayerConfig& of = i < wanted.filters.size() ? wanted.filters[i] : wanted.plugin;
    of = with_star(of, module_of(i), *star);
  }
  std::vector<std::shared_ptr<Export>> unused;  // they go when the lock has gone
  const std::lock_guard lock(table_->mutex);
  if (retired_) return nullptr;
  const auto known = table_->made.find(name);
  const std::shared_ptr<Export> before = known != table_->made.end() ? known->second.exported : nullptr;
  std::shared_ptr<Export> made = export_after(before, config_, wanted);
  if (made != nullptr && made->retired()) made = std::make_shared<Export>(config_, wanted, *before);
  if (made == nullptr)
    made = std::make_shared<Export>(Export::Unopened{}, config_, wanted, registry_, logger_, activity_, before.get(),
                                    places_);
  unused.push_back(before);
  table_->made[name] = {made, ++table_->last_turn};
  if (table_->made.size() >= table_->kept + most_unused)
    for (auto& one : take_unused(*made)) unused.push_back(std::move(one));
  return made;
}

// Those that nobody has ever opened, and of those that nobody has open the ones that were asked for longest ago. The
// table's mutex keeps anybody from being given one meanwhile.
std::vector<std::shared_ptr<Export>> Template::take_unused(const Export& but) {
  std::vector<std::pair<std::uint64_t, std::string>> idle;
  std::vector<std::shared_ptr<Export>> taken;
  for (const auto& [name, entry] : table_->made) {
    const bool used = entry.exported.use_count() > 1 || entry.exported->accounts()->connections() != 0;
    if (used || entry.exported.get() == &but) continue;
    idle.emplace_back(entry.exported->accounts()->connections_so_far() == 0 ? 0 : entry.turn, name);
  }
  std::sort(idle.begin(), idle.end());
  for (std::size_t i = 0; i < idle.size(); ++i) {
    if (idle[i].first != 0 && idle.size() - i <= most_unused) break;
    const auto found = table_->made.find(idle[i].second);
    accounts_->add(*found->second.exported->accounts());
    taken.push_back(std::move(found->second.exported));
    table_->made.erase(found);
  }
  table_->kept = table_->made.size();
  return taken;
}

bool Template::can_list() const { return lists_exports(*layers().back()); }

std::string Template::try_to_list() {
  try {
    list(1);
    return {};
  } catch (const OpenError& e) {
    if (!own().optional) throw mistake(config_, e.facts().place, e.facts().key, e.what());
    return std::string(e.what()) + "; it is optional, and will be tried again when clients list it";
  }
}

// One that has failed is not asked again: a layer is created once.
Layer& Template::lister() {
  if (prototype_->lister == nullptr) {
    auto plugin = layer(ModuleKind::plugin, own().plugin, own().filters.size());
    plugin->create();
    prototype_->lister = std::move(plugin);
  }
  return *prototype_->lister;
}

ListedExports Template::list(std::size_t most, std::size_t most_bytes) {
  if (!can_list()) return {};
  ListedExports listed;
  {
    const std::lock_guard lock(prototype_->mutex);
    listed = listed_exports(lister(), *activity_, most, most_bytes);
  }
  std::erase_if(listed.exports, [&](const ListedExport& one) { return !is_there(one.name); });
  for (ListedExport& one : listed.exports) one.name = with_star(own().name, one.name);
  return listed;
}

std::shared_ptr<Export> Template::find(std::string_view name) const {
  const std::lock_guard lock(table_->mutex);
  const auto found = table_->made.find(name);
  return found != table_->made.end() ? found->second.exported : nullptr;
}

std::vector<std::shared_ptr<Export>> Template::exports() const {
  std::vector<std::shared_ptr<Export>> all;
  const std::lock_guard lock(table_->mutex);
  for (const auto& [name, entry] : table_->made) all.push_back(entry.exported);
  return all;
}

void Template::each(const std::function<void(Export&)>& one) const {
  const std::lock_guard lock(table_->mutex);
  for (const auto& [name, entry] : table_->made) one(*entry.exported);
}

void Template::retire(bool clients_leave) {
  const std::lock_guard lock(table_->mutex);
  retired_ = true;
  for (const auto& [name, entry] : table_->made) entry.exported->retire(clients_leave);
}

}  // namespace ashlar::host
