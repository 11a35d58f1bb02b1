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

// Beside its texts: the node of a map, and an entry of a list.
constexpr std::size_t bytes_of_name = 192;

// The names, as they come.
class Names {
 public:
  Names(std::size_t most, std::size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  static std::int32_t add(void* self, const char* name, const char* description) noexcept {
    auto& names = *static_cast<Names*>(self);
    if (names.no_memory_ || names.enough_) return 1;
    if (name == nullptr || !can_stand_for_star(name)) return 0;
    try {
      names.add(name, description != nullptr ? protocol::to_text(description) : "");
    } catch (const std::bad_alloc&) {
      names.no_memory_ = true;
    }
    return names.no_memory_ || names.enough_ ? 1 : 0;
  }

  // Throws std::bad_alloc.
  ListedExports take() {
    if (no_memory_) throw std::bad_alloc();
    ListedExports listed{.exports = {}, .is_cut = enough_, .bytes = bytes_};
    listed.exports.reserve(descriptions_.size());
    while (!descriptions_.empty()) {
      auto one = descriptions_.extract(descriptions_.begin());
      listed.exports.push_back({std::move(one.key()), std::move(one.mapped())});
    }
    return listed;
  }

 private:
  void add(std::string name, const std::string& text) {
    if (descriptions_.contains(name)) return;
    enough_ = number_ == most_;
    if (enough_) return;
    ++number_;
    const std::string_view description = protocol::cut_text(text, longest_text);
    bytes_ += bytes_of_name + name.size() + description.size();
    if (bytes_ > most_bytes_) descriptions_.clear();  // from here on they are counted alone
    else descriptions_.emplace(std::move(name), description);
  }

  const std::size_t most_, most_bytes_;
  std::map<std::string, std::string> descriptions_;
  std::size_t number_ = 0, bytes_ = 0;
  bool enough_ = false, no_memory_ = false;
};

const ashlar_exports* extension_of(const Layer& layer) {
  const auto* exports = static_cast<const ashlar_exports*>(layer.library().extension(ASHLAR_EXPORTS_ID));
  return exports != nullptr && rules::is_usable(*exports) ? exports : nullptr;
}

}  // namespace

bool lists_exports(const Layer& layer) { return extension_of(layer) != nullptr; }

ListedExports listed_exports(const Layer& layer, Activity& activity, std::size_t most, std::size_t most_bytes) {
  const ashlar_exports* const exports = extension_of(layer);
  if (exports == nullptr) throw layer.at_fault("it cannot list what it could serve");
  activity.check();
  Names names(most, most_bytes);
  const ashlar_exports_sink sink{&names, &Names::add};
  ErrorText refusal;
  {
    const Inside inside(activity, layer.name(), Call::list, &activity.stopping());
    if (const std::int32_t status = exports->list(layer.instance(), &sink, refusal.receiver()))
      throw layer.refused(status, refusal);
  }
  return names.take();
}

}  // namespace ashlar::host
