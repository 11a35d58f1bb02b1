#include "module/parameter.hpp"

#include <charconv>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "config/did_you_mean.hpp"
#include "config/size.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

// The `T` in `value`; else an error with what is `wanted` and what to do.
template <class T>
const T& get(const TomlValue& value, const char* wanted_and_hint) {
  if (const T* found = std::get_if<T>(&value)) return *found;
  throw std::invalid_argument(std::string("found ") + type_name(value) + ", wanted " + wanted_and_hint);
}

const std::string& string(const TomlValue& value) {
  const auto& text = get<std::string>(value, "a string; write it in quotes");
  if (text.find('\0') != std::string::npos) throw std::invalid_argument("has a NUL character; take it out");
  return text;
}

std::int64_t in_range(const ashlar_param& row, std::int64_t number) {
  if (number < row.minimum || number > row.maximum)
    throw std::invalid_argument(std::to_string(number) + " is out of range; give " + range_text(row));
  return number;
}

std::int64_t size(const TomlValue& value) {
  if (const auto* bytes = std::get_if<std::int64_t>(&value)) return *bytes;
  return parse_size(get<std::string>(value, "a size; write bytes, or a string such as \"64K\""));
}

std::string path(const TomlValue& value, const std::filesystem::path& folder) {
  const std::string& text = string(value);
  if (text.empty()) throw std::invalid_argument("is an empty path; name a file");
  // Not normalised: "link/../x" must mean to the kernel what it meant to the user.
  return (folder / text).string();
}

TypedValue choice(const ashlar_param& row, const TomlValue& value) {
  const std::string& text = string(value);
  std::vector<std::string> choices;
  for (const char* const* c = row.choices; *c != nullptr; ++c) {
    if (text == *c) return {static_cast<std::int64_t>(choices.size()), text};
    choices.emplace_back(*c);
  }
  throw std::invalid_argument(in_quotes(text) + " is not one of the choices; " + did_you_mean(text, choices));
}

}  // namespace

TypedValue typed_value(const ashlar_param& row, const TomlValue& value, const std::filesystem::path& folder) {
  switch (row.type) {
    case ASHLAR_PARAM_STRING: return {0, string(value)};
    case ASHLAR_PARAM_PATH: return {0, path(value, folder)};
    case ASHLAR_PARAM_BOOL: return {get<bool>(value, "a boolean; write true or false, without quotes") ? 1 : 0, {}};
    case ASHLAR_PARAM_INT:
      return {in_range(row, get<std::int64_t>(value, "an integer; write a whole number, without quotes")), {}};
    case ASHLAR_PARAM_SIZE: return {in_range(row, size(value)), {}};
    case ASHLAR_PARAM_CHOICE: return choice(row, value);
    default: throw std::invalid_argument("is of a type that this ashlar does not know; use a newer ashlar");
  }
}

TypedValue default_value(const ashlar_param& row, const std::filesystem::path& folder) {
  const std::string text = row.default_text;
  if (row.type == ASHLAR_PARAM_SECRET) return {0, text};
  if (row.type == ASHLAR_PARAM_BOOL && (text == "true" || text == "false"))
    return typed_value(row, text == "true", folder);
  if (row.type == ASHLAR_PARAM_INT) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && rest == text.data() + text.size()) return typed_value(row, number, folder);
  }
  return typed_value(row, text, folder);
}

const char* type_name(std::uint32_t type) {
  constexpr const char* names[] = {"string", "path", "boolean", "integer", "size", "choice", "list", "secret"};
  return type < std::size(names) ? names[type] : "unknown";
}

std::string type_text(const ashlar_param& row) {
  const std::string type = type_name(row.type);
  return row.type == ASHLAR_PARAM_LIST ? type + " of " + type_name(row.item) : type;
}

ashlar_param item_row(const ashlar_param& row) {
  ashlar_param item = row;
  item.type = row.item;
  item.item = 0;
  return item;
}

std::string range_text(const ashlar_param& row) {
  if (row.type == ASHLAR_PARAM_LIST) return range_text(item_row(row));
  if (row.type == ASHLAR_PARAM_CHOICE) {
    std::string all;
    for (const char* const* c = row.choices; *c != nullptr; ++c) all += (all.empty() ? "" : "|") + std::string(*c);
    return all;
  }
  if (row.type != ASHLAR_PARAM_INT && row.type != ASHLAR_PARAM_SIZE) return {};
  const bool is_size = row.type == ASHLAR_PARAM_SIZE;
  const bool low = row.minimum != std::numeric_limits<std::int64_t>::min();
  const bool high = row.maximum != std::numeric_limits<std::int64_t>::max();
  if (!low && !high) return {};
  const auto text = [&](std::int64_t n) { return is_size && n >= 0 ? size_text(n) : std::to_string(n); };
  return (low ? text(row.minimum) : "") + ".." + (high ? text(row.maximum) : "");
}

}  // namespace ashlar::host
