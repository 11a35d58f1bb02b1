#include "server/layer_address.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string_view>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

// The value of the parameter "tag" that its config gives a layer; empty: it has none.
std::string tag_of(const Layer& layer) {
  const ashlar_module& module = layer.library().module();
  for (std::uint32_t i = 0; i < module.n_params; ++i) {
    const ashlar_value& value = *layer.values().data()[i];
    const bool is_tag = std::string_view(module.params[i]->name) == "tag" && value.type == ASHLAR_PARAM_STRING;
    if (is_tag && value.set != 0 && value.text != nullptr) return value.text;
  }
  return {};
}

// The layer that alone has this tag.
std::optional<std::size_t> tagged(const Export& exported, std::string_view tag) {
  std::optional<std::size_t> found;
  const auto layers = exported.layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (tag_of(*layers[i]) != tag) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

}  // namespace

LayerAddress parse_layer_address(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  if (slash == std::string::npos || slash + 1 == text.size())
    throw std::invalid_argument(in_quotes(text) + " names no layer; write EXPORT/LAYER, such as disk/trace");
  const std::string exported = text.substr(0, slash);
  return {.all_exports = exported == "*", .exported = exported, .layer = text.substr(slash + 1)};
}

std::vector<std::string> layer_names(const Export& exported) {
  std::vector<std::string> names;
  std::map<std::string, unsigned> so_far;
  for (const auto& layer : exported.layers()) {
    const std::string type = layer->type();
    const unsigned number = ++so_far[type];
    names.push_back(number == 1 ? type : type + "#" + std::to_string(number));
  }
  for (const auto& layer : exported.layers())
    if (const std::string tag = tag_of(*layer); !tag.empty() && tagged(exported, tag)) names.push_back(tag);
  return names;
}

// Types go before tags, so that a tag cannot hide a layer. #1 is the first, too.
std::optional<std::size_t> find_layer(const Export& exported, const LayerAddress& address) {
  const std::string wanted =
      address.layer.ends_with("#1") ? address.layer.substr(0, address.layer.size() - 2) : address.layer;
  const auto layers = exported.layers();
  const std::vector<std::string> names = layer_names(exported);
  const auto typed = std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(layers.size()), wanted);
  const auto index = static_cast<std::size_t>(typed - names.begin());
  if (index < layers.size()) return index;
  return tagged(exported, address.layer);
}

}  // namespace ashlar::host
