// Output for programs: JSON (RFC 8259).
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <ostream>
#include <string_view>

namespace ashlar::host {

namespace json = boost::json;

// `text` as a JSON string can hold it: bytes that are not UTF-8, as a path may have them, become U+FFFD each.
json::string json_text(std::string_view text);

// Writes `value`, with an item of each array of objects on a line of its own, and a newline behind it.
void print_json(std::ostream& out, const json::value& value);

}  // namespace ashlar::host
