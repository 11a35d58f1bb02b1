#include "module/values.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "config/did_you_mean.hpp"
#include "config/reader.hpp"
#include "config/text.hpp"
#include "module/parameter.hpp"
#include "module/secret.hpp"

namespace ashlar::host {
namespace {

// "filter "align"", as messages call it.
std::string title(const ashlar_module& module) {
  return (module.kind == ASHLAR_PLUGIN ? "plugin " : "filter ") + in_quotes(module.name);
}

[[noreturn]] void fail(const Config& config, Place place, const std::string& key, const std::string& what) {
  throw ConfigError(config.file, place, "key " + in_quotes(key) + ": " + what);
}

[[noreturn]] void refuse_unknown(const Config& config, const TomlEntry& given, const ashlar_module& module,
                                 const std::vector<std::string>& names) {
  std::string what_to_do = "; " + did_you_mean(given.key, names);
  if (names.empty()) what_to_do = ", which takes no parameters; take it out";
  // In TOML a key belongs to the table above it, so one of the export that stands too low ends up here.
  if (ConfigReader::is_export_key(given.key)) what_to_do = "; if the export is meant, put it right below [[export]]";
  fail(config, given.place, given.key, "unknown to the " + title(module) + what_to_do);
}

// The item that stands for one entry of a table: "key=value".
TomlNode pair(const Config& config, const TomlEntry& entry) {
  if (entry.key.empty() || entry.key.find('=') != std::string::npos)
    fail(config, entry.place, entry.key, "is no name of a pair, which ends at the first =; give it one without");
  const TomlValue& value = entry.node.value;
  if (const auto* text = std::get_if<std::string>(&value)) return {entry.node.place, entry.key + "=" + *text};
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return {entry.node.place, entry.key + "=" + std::to_string(*number)};
  if (const auto* yes = std::get_if<bool>(&value)) return {entry.node.place, entry.key + (*yes ? "=true" : "=false")};
  fail(config, entry.node.place, entry.key,
       std::string("found ") + type_name(value) +
           ", wanted a string, an integer or a boolean; write a string in quotes");
}

// The items of `row`, a list. A list of texts may be a table of pairs, too.
TomlArray items_of(const Config& config, const ashlar_param& row, const TomlEntry& given, Mistakes& mistakes) {
  if (const auto* items = std::get_if<TomlArray>(&given.node.value)) return *items;
  const auto* pairs = std::get_if<TomlTable>(&given.node.value);
  if (pairs == nullptr || row.item != ASHLAR_PARAM_STRING)
    fail(config, given.node.place, given.key,
         std::string("found ") + type_name(given.node.value) + ", wanted an array; write [ ] around its items");
  TomlArray items;
  for (const TomlEntry& entry : *pairs) mistakes.gather([&] { items.push_back(pair(config, entry)); });
  return items;
}

}  // namespace

Values::Values(const Config& config, const LayerConfig& layer, const ashlar_module& module) {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < module.n_params; ++i) names.emplace_back(module.params[i]->name);
  Mistakes mistakes;
  std::set<std::string> meant;  // by keys that are mistyped: nobody needs to be told that these are missing
  for (const TomlEntry& entry : layer.parameters) {
    if (std::find(names.begin(), names.end(), entry.key) != names.end()) continue;
    mistakes.gather([&] { refuse_unknown(config, entry, module, names); });
    if (const auto name = nearest(entry.key, names)) meant.insert(*name);
  }
  for (std::uint32_t i = 0; i < module.n_params; ++i) {
    const ashlar_param& row = *module.params[i];
    const auto entry = std::find_if(layer.parameters.begin(), layer.parameters.end(),
                                    [&](const TomlEntry& e) { return e.key == row.name; });
    mistakes.gather([&] {
      if (entry != layer.parameters.end()) {
        pointers_.push_back(given({config, row, *entry}));
      } else if (row.default_text != nullptr) {
        pointers_.push_back(defaulted(config, layer, row));
      } else {
        if (row.required != 0 && !meant.contains(row.name))
          fail(config, layer.place, row.name,
               "missing for the " + title(module) + "; add " + row.name + " = … (" + type_text(row) + ": " + row.help +
                   ")");
        pointers_.push_back(&values_.emplace_back(ashlar_value{sizeof(ashlar_value), row.type, 0, 0, 0, nullptr, {}}));
      }
    });
  }
  mistakes.throw_if_any();
}

const ashlar_value* Values::given(const Given& given) {
  return given.row.type == ASHLAR_PARAM_LIST ? list(given) : single(given.row, given, given.entry.node);
}

// `row`: that of the parameter, or of an item of it.
const ashlar_value* Values::single(const ashlar_param& row, const Given& given, const TomlNode& node) {
  if (row.type == ASHLAR_PARAM_SECRET) {
    Secret secret = read_secret(given.config.file, given.entry.key, node, given.config.folder);
    const ashlar_value* value = keep(row.type, 0, std::move(secret.text));
    sources_[value] = std::move(secret.source);
    return value;
  }
  try {
    TypedValue value = typed_value(row, node.value, given.config.folder);
    return keep(row.type, value.number,
                has_text(row.type) ? std::optional<std::string>(std::move(value.text)) : std::nullopt);
  } catch (const std::invalid_argument& e) {
    fail(given.config, node.place, given.entry.key, e.what());
  }
}

const ashlar_value* Values::list(const Given& given) {
  const ashlar_param item = item_row(given.row);
  std::vector<const ashlar_value*>& items = lists_.emplace_back();
  Mistakes mistakes;
  for (const TomlNode& node : items_of(given.config, given.row, given.entry, mistakes))
    mistakes.gather([&] { items.push_back(single(item, given, node)); });
  mistakes.throw_if_any();
  const auto count = static_cast<std::int64_t>(items.size());
  items.push_back(nullptr);  // so that an empty list has an address, too
  return &values_.emplace_back(
      ashlar_value{sizeof(ashlar_value), ASHLAR_PARAM_LIST, 1, 0, count, nullptr, items.data()});
}

const ashlar_value* Values::defaulted(const Config& config, const LayerConfig& layer, const ashlar_param& row) {
  try {
    TypedValue value = default_value(row, config.folder);
    return keep(row.type, value.number,
                has_text(row.type) ? std::optional<std::string>(std::move(value.text)) : std::nullopt);
  } catch (const std::invalid_argument& e) {
    fail(config, layer.place, row.name, e.what());
  }
}

const ashlar_value* Values::keep(std::uint32_t type, std::int64_t number, std::optional<std::string> text) {
  const char* const kept = text ? texts_.emplace_back(std::move(*text)).c_str() : nullptr;
  return &values_.emplace_back(ashlar_value{sizeof(ashlar_value), type, 1, 0, number, kept, nullptr});
}

std::string Values::source_of(const ashlar_value& value) const {
  const auto found = sources_.find(&value);
  return found != sources_.end() ? found->second : "";
}

std::vector<std::string> Values::secrets() const {
  std::vector<std::string> texts;
  for (const auto& [value, source] : sources_) texts.emplace_back(value->text);
  return texts;
}

}  // namespace ashlar::host
