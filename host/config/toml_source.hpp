// A TOML file as a plain tree in which every key and value knows its place. What the keys mean is not known here.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace ashlar::host {

struct TomlNode;
struct TomlEntry;
using TomlArray = std::vector<TomlNode>;
using TomlTable = std::vector<TomlEntry>;  // in the order of the file
struct TomlDate {};                        // a date or time, which no key wants

struct TomlNode {
  Place place;
  std::variant<bool, std::int64_t, double, std::string, TomlDate, TomlArray, TomlTable> value;
};

struct TomlEntry {
  std::string key;
  Place place;  // of the key
  TomlNode node;
};

// What is at `node`, with its article: "a string".
const char* type_name(const TomlNode& node);

// Throws ConfigError at the first syntax error in `text`; `file` only stands in its message.
TomlTable parse_toml(const std::filesystem::path& file, std::string_view text);

}  // namespace ashlar::host
