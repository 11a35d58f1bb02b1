// Boost.JSON is compiled here, for nothing of Boost is linked.
#include "cli/json.hpp"

#include <algorithm>
#include <ashlar/rules/utf8.hpp>
#include <boost/json/src.hpp>
#include <string>

#include "protocol/text.hpp"

namespace ashlar::host {
namespace {

bool is_object(const json::value& value) { return value.is_object(); }

void print(std::ostream& out, const json::value& value, std::size_t depth);

void print_array(std::ostream& out, const json::array& items, std::size_t depth) {
  const bool on_lines = std::any_of(items.begin(), items.end(), &is_object);
  const std::string line = on_lines ? "\n" + std::string(2 * depth + 2, ' ') : "";
  out << "[";
  for (std::size_t i = 0; i < items.size(); ++i) {
    out << (i == 0 ? "" : on_lines ? "," : ", ") << line;
    print(out, items[i], depth + 1);
  }
  out << (on_lines ? "\n" + std::string(2 * depth, ' ') : "") << "]";
}

void print(std::ostream& out, const json::value& value, std::size_t depth) {
  if (const auto* items = value.if_array()) return print_array(out, *items, depth);
  const auto* object = value.if_object();
  if (object == nullptr) {
    out << json::serialize(value);
    return;
  }
  out << "{";
  const char* separator = "";
  for (const auto& [key, member] : *object) {
    out << separator << json::serialize(key) << ": ";
    print(out, member, depth);
    separator = ", ";
  }
  out << "}";
}

}  // namespace

json::string json_text(std::string_view text) {
  json::string out;
  while (!text.empty()) {
    const std::size_t length = rules::utf8_length(text);
    if (length == 0) out += "\xef\xbf\xbd";
    else out += json::string_view(text.data(), length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

void print_json(std::ostream& out, const json::value& value) {
  print(out, value, 0);
  out << "\n";
}

}  // namespace ashlar::host
