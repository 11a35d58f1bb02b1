// The '*' of a template: what it may stand for, and what it stands for in a name.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace ashlar::host {

// Whether `text` may stand for the '*': UTF-8 of up to 4096 bytes, not empty, without '/', NUL and '*', and with no dot
// at its beginning. So, as the last part of a path, it names a file that is in the folder, and never a folder above.
bool can_stand_for_star(std::string_view text);

// What stands for the '*' of `pattern`, which has one, in `name`. None: the name does not fit.
std::optional<std::string_view> star_in(std::string_view pattern, std::string_view name);

// `text` with `star` in the place of each '*'.
std::string with_star(std::string_view text, std::string_view star);

}  // namespace ashlar::host
