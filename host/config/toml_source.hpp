// The text of a TOML file as a tree, see toml_value.hpp.
#pragma once
#include <filesystem>
#include <string_view>

#include "config/toml_value.hpp"

namespace ashlar::host {

// Throws ConfigError at the first syntax error in `text`; `file` only stands in its message.
TomlTable parse_toml(const std::filesystem::path& file, std::string_view text);

}  // namespace ashlar::host
