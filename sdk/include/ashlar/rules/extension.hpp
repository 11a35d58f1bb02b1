// How an extension of a module is asked for, and what its table must have. Pure but for the module's own function.
#pragma once
#include <ashlar/connects.hpp>
#include <ashlar/group.hpp>
#include <ashlar/rules/first_size.hpp>

namespace ashlar::rules {

// Whether the module can be asked for extensions. A table that is shorter has none.
inline bool has_extensions(const ashlar_module& module) {
  return ASHLAR_HAS(&module, ashlar_module, extension) && module.extension != nullptr;
}

// The extension `id` of the module, or nullptr.
inline const void* extension_of(const ashlar_module& module, const char* id) {
  return has_extensions(module) ? module.extension(id) : nullptr;
}

// Whether the module says that it connects to others.
inline bool connects(const ashlar_module& module) { return extension_of(module, connects_id) != nullptr; }

// Among which others the module wants to be listed; nullptr: it does not say.
inline const char* group_of(const ashlar_module& module) {
  const auto* const group = static_cast<const Group*>(extension_of(module, group_id));
  return group != nullptr && group->struct_size >= sizeof(Group) ? group->name : nullptr;
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

}  // namespace ashlar::rules
