// ConfigReader's types: what a key must hold, and what is said when it holds something else.
#include <stdexcept>

#include "config/reader.hpp"
#include "config/size.hpp"
#include "config/text.hpp"

namespace ashlar::host {

void ConfigReader::fail(Place place, const std::string& key, const std::string& what) const {
  throw ConfigError(file_, place, "key " + in_quotes(key) + ": " + what);
}

void ConfigReader::tell(Place place, const std::string& key, const std::string& what) const {
  mistakes_.gather([&] { fail(place, key, what); });
}

void ConfigReader::wrong_type(const std::string& key, const TomlNode& node, const char* wanted,
                              const std::string& hint) const {
  fail(node.place, key, std::string("found ") + type_name(node.value) + ", wanted " + wanted + "; " + hint);
}

bool ConfigReader::boolean(const TomlEntry& entry) const {
  const auto* value = std::get_if<bool>(&entry.node.value);
  if (value == nullptr) wrong_type(entry.key, entry.node, "a boolean", "write true or false, without quotes");
  return *value;
}

std::int64_t ConfigReader::integer(const TomlEntry& entry, std::int64_t low, std::int64_t high) const {
  const auto* value = std::get_if<std::int64_t>(&entry.node.value);
  if (value == nullptr) wrong_type(entry.key, entry.node, "an integer", "write a whole number, without quotes");
  if (*value < low || *value > high)
    fail(entry.node.place, entry.key,
         std::to_string(*value) + " is out of range; give " + std::to_string(low) + " to " + std::to_string(high));
  return *value;
}

std::int64_t ConfigReader::size(const TomlEntry& entry, std::int64_t low, std::int64_t high) const {
  std::int64_t bytes = 0;
  if (const auto* number = std::get_if<std::int64_t>(&entry.node.value)) bytes = *number;
  else if (const auto* text = std::get_if<std::string>(&entry.node.value))
    bytes = value_of(entry.node.place, entry.key, [&] { return parse_size(*text); });
  else wrong_type(entry.key, entry.node, "a size", "write bytes, or a string such as \"64K\"");
  if (bytes < low || bytes > high)
    fail(entry.node.place, entry.key,
         std::to_string(bytes) + " is out of range; give " + size_text(low) + " to " + size_text(high));
  return bytes;
}

const std::string& ConfigReader::string(const std::string& key, const TomlNode& node, const std::string& hint) const {
  const auto* value = std::get_if<std::string>(&node.value);
  if (value == nullptr) wrong_type(key, node, "a string", hint);
  if (value->find('\0') != std::string::npos) fail(node.place, key, "has a NUL character; take it out");
  return *value;
}

const TomlArray& ConfigReader::array(const TomlEntry& entry, const char* wanted, const char* hint) const {
  const auto* value = std::get_if<TomlArray>(&entry.node.value);
  if (value == nullptr) wrong_type(entry.key, entry.node, wanted, hint);
  return *value;
}

const TomlTable& ConfigReader::table(const std::string& key, const TomlNode& node, const char* wanted,
                                     const char* hint) const {
  const auto* value = std::get_if<TomlTable>(&node.value);
  if (value == nullptr) wrong_type(key, node, wanted, hint);
  return *value;
}

}  // namespace ashlar::host
