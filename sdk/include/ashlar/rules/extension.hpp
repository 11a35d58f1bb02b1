// How an extension of a module is asked for, and what its table must have. Pure but for the module's own function.
#pragma once
#include <ashlar/rules/first_size.hpp>
#include <ashlar/rules/text.hpp>

namespace ashlar::rules {

// Whether the module can be asked for extensions. A table that is shorter has none.
inline bool has_extensions(const ashlar_module& module) {
  return ASHLAR_HAS(&module, ashlar_module, extension) && module.extension != nullptr;
}

// The extension `id` of the module, or nullptr.
inline const void* extension_of(const ashlar_module& module, const char* id) {
  return has_extensions(module) ? module.extension(id) : nullptr;
}

// Whether a table has all of ABI 1.0's, and nothing where it is reserved.
inline bool is_usable(const ashlar_probe& table) {
  return is_whole(table) && table.reserved == 0 && table.probe != nullptr;
}
inline bool is_usable(const ashlar_serving& table) {
  return is_whole(table) && table.reserved == 0 && table.begin != nullptr;
}
inline bool is_usable(const ashlar_exports& table) {
  return is_whole(table) && table.reserved == 0 && table.list != nullptr;
}
inline bool is_usable(const ashlar_replied& table) {
  return is_whole(table) && table.reserved == 0 && table.replied != nullptr;
}
inline bool is_usable(const ashlar_connects& table) { return is_whole(table) && table.reserved == 0; }
inline bool is_usable(const ashlar_group& table) {
  return is_whole(table) && table.reserved == 0 && table.name != nullptr && *table.name != '\0' &&
         one_line(table.name) == table.name;
}

// Whether the module says that it connects to others.
inline bool connects(const ashlar_module& module) {
  const auto* const table = static_cast<const ashlar_connects*>(extension_of(module, ASHLAR_CONNECTS_ID));
  return table != nullptr && is_usable(*table);
}

// Among which others the module wants to be listed; nullptr: it does not say, or not in a way that can be listed.
inline const char* group_of(const ashlar_module& module) {
  const auto* const group = static_cast<const ashlar_group*>(extension_of(module, ASHLAR_GROUP_ID));
  return group != nullptr && is_usable(*group) ? group->name : nullptr;
}

}  // namespace ashlar::rules
