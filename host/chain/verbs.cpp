#include "chain/verbs.hpp"

#include <algorithm>
#include <ashlar/rules/first_size.hpp>
#include <cerrno>
#include <exception>

namespace ashlar::host {
namespace {

// [a-z][a-z0-9-]*
bool is_name(std::string_view name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_whole(const ashlar_verb* verb) {
  return verb != nullptr && rules::is_whole(*verb) && verb->name != nullptr && verb->help != nullptr &&
         verb->call != nullptr && verb->below <= ASHLAR_BELOW_WRITE;
}

}  // namespace

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
  if (here.closed_ || !is_whole(verb) || !is_name(verb->name)) return EINVAL;
  try {
    return here.all_.emplace(verb->name, Offered{verb, argument}).second ? 0 : EEXIST;
  } catch (const std::exception&) {
    return ENOMEM;
  }
}

}  // namespace ashlar::host
