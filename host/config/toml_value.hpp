// What stands in a TOML file: a tree in which every key and value knows its place. What keys mean is not known here.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ashlar::host {

// Where something stands in the config file. Lines and columns count from 1; 0: not in the file.
struct Place {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

struct TomlNode;
struct TomlEntry;
using TomlArray = std::vector<TomlNode>;
using TomlTable = std::vector<TomlEntry>;  // in the order of the file
struct TomlDate {};                        // a date or time, which no key wants
using TomlValue = std::variant<bool, std::int64_t, double, std::string, TomlDate, TomlArray, TomlTable>;

struct TomlNode {
  Place place;
  TomlValue value;
};

struct TomlEntry {
  std::string key;
  Place place;  // of the key
  TomlNode node;
};

// What `value` is, with its article: "a string".
inline const char* type_name(const TomlValue& value) {
  constexpr const char* names[] = {"a boolean",      "an integer", "a float", "a string",
                                   "a date or time", "an array",   "a table"};
  return names[value.index()];
}

}  // namespace ashlar::host
