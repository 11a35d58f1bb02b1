#include "config/layer_files.hpp"

namespace ashlar::host {

const TomlEntry* text_of(const LayerConfig& layer, std::string_view type, std::string_view key) {
  if (layer.type != type) return nullptr;
  for (const TomlEntry& entry : layer.parameters)
    if (entry.key == key && std::holds_alternative<std::string>(entry.node.value)) return &entry;
  return nullptr;
}

std::filesystem::path file_identity(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  return error ? path.lexically_normal() : real;
}

}  // namespace ashlar::host
