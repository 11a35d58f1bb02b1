#include "config/traces.hpp"

#include <map>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

// The path of a trace; null: the layer is no trace, or has none.
const TomlEntry* path_of(const LayerConfig& layer) {
  if (layer.type != "trace") return nullptr;
  for (const TomlEntry& entry : layer.parameters)
    if (entry.key == "path" && std::holds_alternative<std::string>(entry.node.value)) return &entry;
  return nullptr;
}

}  // namespace

void refuse_shared_traces(const Config& config, Mistakes& mistakes) {
  struct First {
    const ExportConfig& own;
    Place place;
  };
  std::map<std::filesystem::path, First> first;
  for (const ExportConfig& own : config.exports)
    for (const LayerConfig& filter : own.filters) {
      const TomlEntry* const entry = path_of(filter);
      if (entry == nullptr) continue;
      const auto& text = std::get<std::string>(entry->node.value);
      if (own.is_template() && text.find('*') == std::string::npos) {
        mistakes.add(ConfigError(own.file, entry->node.place,
                                 "key \"path\": " + in_quotes(text) + " would be the trace of all exports that " +
                                     in_quotes(own.name) + " stands for; put a * into it"));
        continue;
      }
      const auto [known, added] = first.emplace((own.folder / text).lexically_normal(), First{own, entry->node.place});
      if (added) continue;
      const First& other = known->second;
      mistakes.add(ConfigError(own.file, entry->node.place,
                               "key \"path\": " + in_quotes(text) + " is the trace of the layer at line " +
                                   std::to_string(other.place.line) +
                                   (other.own.file == own.file ? "" : " of " + other.own.file.string()) +
                                   ", too; give each a file of its own"));
    }
}

}  // namespace ashlar::host
