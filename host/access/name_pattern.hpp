// Patterns of names.
#pragma once
#include <string>
#include <string_view>

namespace ashlar::host {

// Whether all of `name`, which is UTF-8, is as `pattern` says: '*' stands for any characters, or none, '?' for one
// character, everything else for itself, as in qemu's lists of who is let in (authz-list, format=glob). Takes time in
// the order of both lengths multiplied, whatever the pattern.
bool fits_pattern(std::string_view pattern, std::string_view name);

// A distinguished name, or a pattern of some, with the names of its attributes in capitals: their case tells nothing
// (RFC 4514, 3). Values stay as they are.
std::string with_upper_attributes(std::string_view name);

}  // namespace ashlar::host
