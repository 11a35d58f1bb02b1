#include "config/overlays.hpp"

#include <map>

#include "config/layer_files.hpp"
#include "config/text.hpp"

namespace ashlar::host {

void refuse_shared_overlays(const Config& config, Mistakes& mistakes) {
  struct First {
    const ExportConfig& own;
    Place place;
  };
  std::map<std::filesystem::path, First> known;
  for (const ExportConfig& own : config.exports)
    for (const LayerConfig& filter : own.filters) {
      const TomlEntry* const entry = text_of(filter, "cow", "path");
      if (entry == nullptr) continue;
      const auto& text = std::get<std::string>(entry->node.value);
      if (text.empty()) continue;  // the module refuses it
      const auto refuse = [&](const std::string& why) {
        mistakes.add(ConfigError(own.file, entry->node.place, "key \"path\": " + in_quotes(text) + why));
      };
      if (own.is_template() && text.find('*') == std::string::npos) {
        refuse(" would be the overlay of all exports that " + in_quotes(own.name) + " stands for; put a * into it");
        continue;
      }
      const auto [first, is_new] = known.try_emplace(file_identity(own.folder / text), First{own, entry->node.place});
      if (is_new) continue;
      const auto& [other, place] = first->second;
      refuse(" is the overlay of the layer at line " + std::to_string(place.line) +
             (other.file == own.file ? "" : " of " + other.file.string()) + ", too; give each a file of its own");
    }
}

}  // namespace ashlar::host
