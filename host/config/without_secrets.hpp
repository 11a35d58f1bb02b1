// Texts of modules, without the secrets that they were given.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace ashlar::host {

// `text` with "(secret)" in the place of each of `secrets`, and of the beginning of one at the end of `text`, which may
// have been cut there. What is shorter than 4 bytes stays: it would be found in words that have nothing to do with it.
// Pure.
std::string without_secrets(std::string_view text, std::span<const std::string> secrets);

}  // namespace ashlar::host
