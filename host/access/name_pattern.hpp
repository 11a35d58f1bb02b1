// Patterns of names.
#pragma once
#include <string_view>

namespace ashlar::host {

// Whether all of `name`, which is UTF-8, is as `pattern` says: '*' stands for any characters, or none, '?' for one
// character, everything else for itself, as in qemu's lists of who is let in (authz-list, format=glob). Takes time in
// the order of both lengths multiplied, whatever the pattern.
bool fits_pattern(std::string_view pattern, std::string_view name);

}  // namespace ashlar::host
