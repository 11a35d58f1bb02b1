#include "chain/star_paths.hpp"

#include <algorithm>
#include <system_error>

#include "chain/star.hpp"
#include "module/parameter.hpp"

namespace ashlar::host {
namespace {

namespace fs = std::filesystem;

// The row of `module` that describes the parameter `key`; null: there is none.
const ashlar_param* row_of(const ashlar_module& module, const std::string& key) {
  for (std::uint32_t i = 0; i < module.n_params; ++i)
    if (key == module.params[i]->name) return module.params[i];
  return nullptr;
}

// Calls `act` for each text in `value` in which a '*' stands for a name.
template <class Value, class Act>
void each_text(const ashlar_param& row, Value& value, Act act, bool is_source = false) {
  if (auto* const text = std::get_if<std::string>(&value)) {
    if (row.type != ASHLAR_PARAM_SECRET || is_source) act(row, *text);
  } else if (auto* const items = std::get_if<TomlArray>(&value)) {
    if (row.type == ASHLAR_PARAM_LIST)
      for (auto& item : *items) each_text(item_row(row), item.value, act);
  } else if (auto* const source = std::get_if<TomlTable>(&value)) {
    for (auto& entry : *source) each_text(row, entry.node.value, act, row.type == ASHLAR_PARAM_SECRET);
  }
}

template <class Layer, class Act>
void each_text(const ashlar_module& module, Layer& layer, Act act) {
  for (auto& entry : layer.parameters)
    if (const ashlar_param* const row = row_of(module, entry.key)) each_text(*row, entry.node.value, act);
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const std::string outer = folder.native() + (folder.native().ends_with('/') ? "" : "/");
  return path.native().starts_with(outer);
}

bool is_servable(const fs::file_status& status) { return fs::is_regular_file(status) || fs::is_block_file(status); }

// `pattern`: an absolute path with a '*'.
bool can_be(const std::string& pattern, std::string_view star, bool must_exist, bool follow_links) {
  const std::size_t folder_end = pattern.rfind('/', pattern.find('*'));
  const fs::path path = with_star(pattern, star);
  std::error_code error;
  const fs::file_status own = fs::symlink_status(path, error);
  if (!fs::exists(own)) return !must_exist;
  const bool is_in_folder = pattern.rfind('/') == folder_end;
  if (is_in_folder && is_servable(own)) return true;  // as nearly all are: no link is on the way
  const fs::file_status status = fs::status(path, error);
  if (!is_servable(status) && !fs::is_directory(status)) return false;
  if (follow_links) return true;
  const fs::path folder = fs::canonical(pattern.substr(0, folder_end + 1), error);
  return !error && is_below(fs::canonical(path, error), folder);
}

}  // namespace

bool has_star(const LayerConfig& layer, const ashlar_module& module) {
  bool found = false;
  each_text(module, layer, [&](const ashlar_param&, const std::string& text) {
    found = found || text.find('*') != std::string::npos;
  });
  return found;
}

LayerConfig with_star(const LayerConfig& layer, const ashlar_module& module, std::string_view star) {
  LayerConfig out = layer;
  each_text(module, out, [&](const ashlar_param&, std::string& text) { text = with_star(text, star); });
  return out;
}

bool is_there(const LayerConfig& layer, const ashlar_module& module, std::string_view star, const fs::path& folder,
              bool follow_links) {
  bool all = true;
  each_text(module, layer, [&](const ashlar_param& row, const std::string& text) {
    if (row.type != ASHLAR_PARAM_PATH || text.find('*') == std::string::npos) return;
    all = all && can_be((folder / text).string(), star, module.kind == ASHLAR_PLUGIN, follow_links);
  });
  return all;
}

}  // namespace ashlar::host
