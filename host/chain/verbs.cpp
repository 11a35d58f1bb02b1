#include "chain/verbs.hpp"

#include <ashlar/rules/name.hpp>
#include <cerrno>
#include <exception>

namespace ashlar::host {

const char* below_name(std::uint32_t below) {
  return below == ASHLAR_BELOW_NONE ? "none" : below == ASHLAR_BELOW_READ ? "read" : "write";
}

std::vector<Verbs::Offered> Verbs::all() const {
  std::vector<Offered> offered;
  for (const auto& [name, one] : all_) offered.push_back(one);
  return offered;
}

const Verbs::Offered* Verbs::find(std::string_view name) const {
  const auto found = all_.find(name);
  return found != all_.end() ? &found->second : nullptr;
}

std::int32_t Verbs::offer(void* self, const ashlar_verb* verb, void* argument) noexcept {
  auto& here = *static_cast<Verbs*>(self);
  if (here.closed_ || rules::verb_fault(verb) != nullptr) return EINVAL;
  try {
    return here.all_.emplace(verb->name, Offered{verb, argument}).second ? 0 : EEXIST;
  } catch (const std::exception&) {
    return ENOMEM;
  }
}

}  // namespace ashlar::host
