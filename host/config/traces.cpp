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

struct First {
  const ExportConfig& own;
  Place place;
};
using Known = std::map<std::filesystem::path, First>;

const First* find(const Known& known, const std::filesystem::path& path) {
  const auto at = known.find(path);
  return at != known.end() ? &at->second : nullptr;
}

// The same for all names of a file, also where a link leads to its folder; it need not be there yet.
std::filesystem::path identity(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  return error ? path.lexically_normal() : real;
}

// Of PATH.ring and PATH.1, PATH.2 …, which the filter makes beside PATH: PATH; else the same.
std::filesystem::path without_suffix(const std::filesystem::path& path) {
  const std::string suffix = path.extension().string();
  const bool is_number = suffix.size() > 1 && suffix.find_first_not_of("0123456789", 1) == std::string::npos;
  return is_number || suffix == ".ring" ? std::filesystem::path(path).replace_extension() : path;
}

}  // namespace

void refuse_shared_traces(const Config& config, Mistakes& mistakes) {
  Known first, beside;  // by its path; by the path that it is beside
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
      const std::filesystem::path path = identity(own.folder / text), base = without_suffix(path);
      const First here{own, entry->node.place};
      const First* const same = find(first, path);
      const First* known = same != nullptr ? same : find(first, base);
      if (known == nullptr) known = find(beside, path);
      first.emplace(path, here);
      if (base != path) beside.emplace(base, here);
      if (known == nullptr) continue;
      const std::string other = "the trace of the layer at line " + std::to_string(known->place.line) +
                                (known->own.file == own.file ? "" : " of " + known->own.file.string());
      mistakes.add(
          ConfigError(own.file, entry->node.place,
                      "key \"path\": " + in_quotes(text) +
                          (same != nullptr ? " is " + other + ", too; give each a file of its own"
                                           : " and " + other +
                                                 " would meet, as a trace may make files "
                                                 "PATH.ring, PATH.1, PATH.2 … beside it; choose another name")));
    }
}

}  // namespace ashlar::host
