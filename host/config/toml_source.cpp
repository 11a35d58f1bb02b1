// The only includer of toml++.
#include "config/toml_source.hpp"

#include <toml++/toml.h>

#include <algorithm>

#include "config/mistakes.hpp"

namespace ashlar::host {
namespace {

Place place_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

TomlTable convert_table(const toml::table& table);

TomlNode convert(const toml::node& node) {
  TomlNode out{place_of(node.source()), TomlDate{}};
  if (const auto* b = node.as_boolean()) out.value = b->get();
  else if (const auto* i = node.as_integer()) out.value = i->get();
  else if (const auto* d = node.as_floating_point()) out.value = d->get();
  else if (const auto* s = node.as_string()) out.value = s->get();
  else if (const auto* table = node.as_table()) out.value = convert_table(*table);
  else if (const auto* array = node.as_array()) {
    TomlArray nodes;
    for (const toml::node& element : *array) nodes.push_back(convert(element));
    out.value = std::move(nodes);
  }
  return out;
}

TomlTable convert_table(const toml::table& table) {
  TomlTable out;
  for (const auto& [key, node] : table) out.push_back({std::string(key.str()), place_of(key.source()), convert(node)});
  // toml++ sorts by key; the reader wants to meet the first mistake of the file first.
  std::stable_sort(out.begin(), out.end(), [](const TomlEntry& a, const TomlEntry& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  return out;
}

// Line `number` of `text`, counted from 1, without blanks around it.
std::string_view line_of(std::string_view text, std::uint32_t number) {
  for (; number > 1; --number) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

// toml++ has no limit for dotted keys and unwinds them recursively: deep ones would overflow the stack.
constexpr int deepest_key = 32;

// Skips the string that starts at `at`, of any of TOML's four kinds. A line's end ends an unfinished one, as the parser
// stops there.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const bool escapes = quote == '"';
  const std::string three(3, quote);
  const bool multi_line = text.substr(at).starts_with(three);
  at += multi_line ? 3 : 1;
  while (at < text.size()) {
    if (escapes && text[at] == '\\') at += 2;
    else if (multi_line && text.substr(at).starts_with(three)) return at + 3;
    else if (!multi_line && (text[at] == quote || text[at] == '\n')) return at + 1;
    else ++at;
  }
  return text.size();
}

void refuse_deep_keys(const std::filesystem::path& file, std::string_view text) {
  int dots = 0;
  std::uint32_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      const std::size_t end = std::min(skip_string(text, at), text.size());
      line += static_cast<std::uint32_t>(std::count(text.begin() + at, text.begin() + end, '\n'));
      at = end;
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '.') ++dots;
    else if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) dots = 0;
    if (c == '\n') ++line;
    if (dots > deepest_key)
      throw ConfigError(file, {line, 1},
                        "syntax error: a key of more than 32 dotted parts; no key of a config has so many");
    ++at;
  }
}

// What to do about a table that TOML calls redefined, when the line with its header shows what was meant.
const char* redefinition_hint(std::string_view header) {
  struct Hint {
    std::string_view header;
    const char* text;
  };
  constexpr Hint hints[] = {
      {"[export.plugin]", "key \"plugin\": given twice in one [[export]]; keep exactly one [export.plugin]"},
      {"[[export.plugin]]", "key \"plugin\": given twice in one [[export]]; keep exactly one [export.plugin]"},
      {"[export.filter]", "key \"filter\": given twice as a table; write [[export.filter]], once per filter"},
      {"[[export.filter]]", "key \"filter\": is a table already; write [[export.filter]] for all filters"},
      {"[export]", "key \"export\": given twice as a table; write [[export]], once per export"},
      {"[[export]]",
       "key \"export\": is a table already; write [[export]] for all exports, each above its plugin and filters"},
  };
  for (const Hint& hint : hints)
    if (header.starts_with(hint.header)) return hint.text;
  return nullptr;
}

}  // namespace

TomlTable parse_toml(const std::filesystem::path& file, std::string_view text) {
  refuse_deep_keys(file, text);
  try {
    return convert_table(toml::parse(text));
  } catch (const toml::parse_error& error) {
    const Place place = place_of(error.source());
    const std::string_view what = error.description();
    if (what.find("redefine") != std::string_view::npos)
      if (const char* hint = redefinition_hint(line_of(text, place.line))) throw ConfigError(file, place, hint);
    throw ConfigError(file, place, "syntax error: " + std::string(what) + "; correct the TOML there");
  }
}

}  // namespace ashlar::host
