#include "chain/listed_exports.hpp"

#include <ashlar/rules/extension.hpp>
#include <cerrno>
#include <map>
#include <new>

#include "chain/error_text.hpp"
#include "chain/layer.hpp"
#include "chain/star.hpp"
#include "protocol/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t longest_text = 4096;

// The names, as they come.
struct Names {
  const std::size_t most;
  std::map<std::string, std::string> descriptions;
  bool enough = false, no_memory = false;

  static std::int32_t add(void* self, const char* name, const char* description) noexcept {
    auto& names = *static_cast<Names*>(self);
    if (names.no_memory || names.enough) return 1;
    if (name == nullptr || !can_stand_for_star(name)) return 0;
    if (names.descriptions.size() == names.most) {
      names.enough = true;
      return 1;
    }
    try {
      const std::string text = description != nullptr ? protocol::to_text(description) : "";
      names.descriptions.emplace(name, protocol::cut_text(text, longest_text));
      return 0;
    } catch (const std::bad_alloc&) {
      names.no_memory = true;
      return 1;
    }
  }
};

const ashlar_exports* extension_of(const Layer& layer) {
  const auto* exports = static_cast<const ashlar_exports*>(layer.library().extension(ASHLAR_EXPORTS_ID));
  return exports != nullptr && rules::is_usable(*exports) ? exports : nullptr;
}

}  // namespace

bool lists_exports(const Layer& layer) { return extension_of(layer) != nullptr; }

ListedExports listed_exports(const Layer& layer, Activity& activity, std::size_t most) {
  const ashlar_exports* const exports = extension_of(layer);
  if (exports == nullptr) throw layer.at_fault("it cannot list what it could serve");
  activity.check();
  Names names{.most = most, .descriptions = {}};
  const ashlar_exports_sink sink{&names, &Names::add};
  ErrorText refusal;
  {
    const Inside inside(activity, layer.name(), Call::list, &activity.stopping());
    if (const std::int32_t status = exports->list(layer.instance(), &sink, refusal.receiver()))
      throw layer.refused(status, refusal);
  }
  if (names.no_memory) throw std::bad_alloc();
  ListedExports listed{.exports = {}, .is_cut = names.enough};
  for (auto& [name, description] : names.descriptions) listed.exports.push_back({name, std::move(description)});
  return listed;
}

}  // namespace ashlar::host
