#include "module/parameter.hpp"

#include <iterator>
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
  if (const auto index = rules::choice_index(row, text)) return {*index, text};
  std::vector<std::string> choices;
  for (const char* const* c = row.choices; *c != nullptr; ++c) choices.emplace_back(*c);
  throw std::invalid_argument(in_quotes(text) + " is not one of the choices; " + did_you_mean(text, choices));
}

}  // namespace

TypedValue typed_value(const ashlar_param& row, const TomlValue& value, const std::filesystem::path& folder) {
  switch (row.type) {
    case ASHLAR_PARAM_STRING: return {0, string(value)};
    case ASHLAR_PARAM_PATH: return {0, path(value, folder)};
    case ASHLAR_PARAM_BOOL: return {get<bool>(value, "a boolean; write true or false, without quotes") ? 1 : 0, {}};
    case ASHLAR_PARAM_INT:
      return {rules::in_range(row, get<std::int64_t>(value, "an integer; write a whole number, without quotes")), {}};
    case ASHLAR_PARAM_SIZE: return {rules::in_range(row, size(value)), {}};
    case ASHLAR_PARAM_CHOICE: return choice(row, value);
    default: throw std::invalid_argument("is of a type that this ashlar does not know; use a newer ashlar");
  }
}

TypedValue default_value(const ashlar_param& row, const std::filesystem::path& folder) {
  const std::string text = row.default_text;
  const std::int64_t number = rules::number_from_text(row, text);
  if (row.type == ASHLAR_PARAM_PATH) return {0, path(text, folder)};
  return {number, rules::has_text(row.type) ? text : std::string()};
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
  return {.struct_size = sizeof(ashlar_param),
          .type = row.item,
          .name = row.name,
          .help = row.help,
          .default_text = row.default_text,
          .required = row.required,
          .item = 0,
          .minimum = row.minimum,
          .maximum = row.maximum,
          .choices = row.choices};
}

}  // namespace ashlar::host
