#include "module/values.hpp"

#include <algorithm>
#include <stdexcept>

#include "config/did_you_mean.hpp"
#include "config/text.hpp"
#include "module/parameter.hpp"

namespace ashlar::host {
namespace {

// "filter "align"", as messages call it.
std::string title(const ashlar_module& module) {
  return (module.kind == ASHLAR_PLUGIN ? "plugin " : "filter ") + in_quotes(module.name);
}

[[noreturn]] void fail(const Config& config, Place place, const std::string& key, const std::string& what) {
  throw ConfigError(config.file, place, "key " + in_quotes(key) + ": " + what);
}

void refuse_unknown(const Config& config, const ConfigParameter& given, const ashlar_module& module) {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < module.n_params; ++i) names.emplace_back(module.params[i]->name);
  if (std::find(names.begin(), names.end(), given.key) != names.end()) return;

  std::string what_to_do = "; " + did_you_mean(given.key, names);
  if (names.empty()) what_to_do = ", which takes no parameters; take it out";
  // In TOML a key belongs to the table above it, so one of the export that stands too low ends up here.
  for (const char* key : {"name", "description", "read_only", "optional", "zero_emulation"})
    if (given.key == key) what_to_do = "; if the export is meant, put it right below [[export]]";
  fail(config, given.place, given.key, "unknown to the " + title(module) + what_to_do);
}

}  // namespace

Values::Values(const Config& config, const LayerConfig& layer, const ashlar_module& module) {
  for (const ConfigParameter& given : layer.parameters) refuse_unknown(config, given, module);
  for (std::uint32_t i = 0; i < module.n_params; ++i) {
    const ashlar_param& row = *module.params[i];
    const auto given = std::find_if(layer.parameters.begin(), layer.parameters.end(),
                                    [&](const ConfigParameter& p) { return p.key == row.name; });
    const bool is_given = given != layer.parameters.end();
    if (!is_given && row.default_text == nullptr) {
      if (row.required != 0)
        fail(config, layer.place, row.name,
             "missing for the " + title(module) + "; add " + row.name + " = … (" + type_name(row.type) + ": " +
                 row.help + ")");
      add({sizeof(ashlar_value), row.type, 0, 0, 0, nullptr, nullptr});
      continue;
    }
    try {
      TypedValue value = is_given ? typed_value(row, given->value, config.folder) : default_value(row, config.folder);
      const char* text = has_text(row.type) ? texts_.emplace_back(std::move(value.text)).c_str() : nullptr;
      add({sizeof(ashlar_value), row.type, 1, 0, value.number, text, nullptr});
    } catch (const std::invalid_argument& e) {
      fail(config, is_given ? given->value_place : layer.place, row.name, e.what());
    }
  }
}

}  // namespace ashlar::host
