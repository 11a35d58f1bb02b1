// A single value from the config, or a row's default, as the row of a module's table wants it. Pure.
#pragma once
#include <ashlar/rules/value.hpp>
#include <filesystem>
#include <string>

#include "config/toml_value.hpp"

namespace ashlar::host {

struct TypedValue {
  std::int64_t number = 0;  // as in ashlar_value
  std::string text;         // STRING, PATH, CHOICE
};

// `value` as `row`, which is no LIST or SECRET, wants it; a relative PATH counts from `folder`. Throws
// std::invalid_argument, whose text says what is wrong and what to do.
TypedValue typed_value(const ashlar_param& row, const TomlValue& value, const std::filesystem::path& folder);

// The default of `row`, which has one. Throws likewise.
TypedValue default_value(const ashlar_param& row, const std::filesystem::path& folder);

// `row`, a LIST, as if it were for one item of it.
ashlar_param item_row(const ashlar_param& row);

// "string", "path", "boolean", "integer", "size", "choice", "list", "secret"; "unknown" for anything else.
const char* type_name(std::uint32_t type);
// The same of `row`, with the type of a list's items: "list of path".
std::string type_text(const ashlar_param& row);

using rules::has_text;
using rules::range_text;

}  // namespace ashlar::host
