// OtherNames: what things are called here that others know by another name.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace ashlar::host {

// What to write instead of `type = "word"`, where nbdkit has a filter `word` of which ashlar has the like: a filter
// that is among `filters`, or a key. Empty: nothing is known. Pure.
std::string other_name(std::string_view word, std::span<const std::string> filters);

}  // namespace ashlar::host
