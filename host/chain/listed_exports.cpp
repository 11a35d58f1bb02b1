#include "chain/listed_exports.hpp"

#include <ashlar/rules/first_size.hpp>
#include <cerrno>
#include <map>
#include <new>

#include "chain/error_text.hpp"
#include "chain/layer.hpp"
#include "protocol/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t longest_text = 4096;
constexpr std::size_t most_names = 1'000'000;  // a module that never ends must not take all memory

// The names, as they come.
struct Names {
  std::map<std::string, std::string> descriptions;
  bool too_many = false, no_memory = false;

  static bool is_name(std::string_view text) {
    return !text.empty() && text[0] != '.' && text.find('/') == std::string_view::npos && text.size() <= longest_text &&
           protocol::is_text(text);
  }
  static void add(void* self, const char* name, const char* description) noexcept {
    auto& names = *static_cast<Names*>(self);
    if (name == nullptr || names.no_memory || !is_name(name)) return;
    names.too_many = names.descriptions.size() == most_names;
    if (names.too_many) return;
    try {
      const std::string text = description != nullptr ? protocol::to_text(description) : "";
      names.descriptions.emplace(name, protocol::cut_text(text, longest_text));
    } catch (const std::bad_alloc&) {
      names.no_memory = true;
    }
  }
};

const ashlar_exports* extension_of(const Layer& layer) {
  const auto* exports = static_cast<const ashlar_exports*>(layer.library().extension(ASHLAR_EXPORTS_ID));
  return exports != nullptr && rules::is_whole(*exports) && exports->list != nullptr ? exports : nullptr;
}

}  // namespace

bool lists_exports(const Layer& layer) { return extension_of(layer) != nullptr; }

std::vector<ListedExport> listed_exports(const Layer& layer, Activity& activity) {
  const ashlar_exports* const exports = extension_of(layer);
  if (exports == nullptr) throw layer.at_fault("it cannot list what it could serve");
  activity.check();
  Names names;
  const ashlar_exports_sink sink{&names, &Names::add};
  ErrorText refusal;
  {
    const Inside inside(activity, layer.name(), Call::list);
    if (const std::int32_t status = exports->list(layer.instance(), &sink, refusal.receiver()))
      throw layer.refused(status, refusal);
  }
  if (names.no_memory) throw std::bad_alloc();
  if (names.too_many) throw layer.at_fault("it lists more than 1000000 names");
  std::vector<ListedExport> listed;
  for (auto& [name, description] : names.descriptions) listed.push_back({name, std::move(description)});
  return listed;
}

}  // namespace ashlar::host
