// ConfigReader's exports and their layers.
#include <algorithm>

#include "config/other_names.hpp"
#include "config/reader.hpp"
#include "config/reader_table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t longest_text = 4096;  // bytes; proto.md, "String" values

}  // namespace

std::span<const ConfigReader::Key<ExportConfig>> ConfigReader::export_keys() {
  static constexpr Key<ExportConfig> keys[] = {
      {"name", &ConfigReader::read_name},
      {"description", &ConfigReader::read_description},
      {"read_only", &ConfigReader::read_read_only},
      {"optional", &ConfigReader::read_optional},
      {"filter", &ConfigReader::read_filters},
      {"zero_emulation", &ConfigReader::read_zero_emulation},
      {"plugin", &ConfigReader::read_plugin},
      {"tls", &ConfigReader::read_tls_of_export},
      {"allow", &ConfigReader::read_export_allow},
      {"exclusive", &ConfigReader::read_exclusive},
      {"multi_conn", &ConfigReader::read_multi_conn},
      {"max_connections", &ConfigReader::read_connections_of_export},
      {"follow_links", &ConfigReader::read_follow_links},
  };
  return keys;
}

bool ConfigReader::is_export_key(std::string_view name) {
  for (const auto& key : export_keys())
    if (key.name == name) return true;
  return false;
}

void ConfigReader::read_exports(const TomlEntry& entry, Config& into) const {
  for (const TomlNode& node : array(entry, "an array of tables", "write [[export]], with two brackets"))
    mistakes_.gather([&] { into.exports.push_back(read_export(node)); });
}

ExportConfig ConfigReader::read_export(const TomlNode& node) const {
  const TomlTable& keys = table("export", node, "a table", "write [[export]]");
  const std::size_t before = mistakes_.size();
  ExportConfig out;
  out.file = file_;
  out.folder = folder_;
  out.place = node.place;
  const Names there = read_table(keys, export_keys(), "[[export]]", out, other_key);
  if (!there.contains("name")) tell(node.place, "name", "missing in this [[export]]; add name = \"disk\"");
  if (!there.contains("plugin"))
    tell(node.place, "plugin", "missing in this [[export]]; add an [export.plugin] with a type, such as \"file\"");
  if (out.follow_links && there.contains("name") && !out.is_template())
    tell(out.follow_links_place, "follow_links", "is for a template, an export with a * in its name; take it out");
  out.flawed = mistakes_.size() != before;
  return out;
}

void ConfigReader::check_exports(const std::vector<ExportConfig>& exports, const ServerConfig& server) const {
  for (const ExportConfig& own : exports) {
    check_tls_of(own, server.tls);
    if (own.allow) check_rules_that_need_tls(*own.allow, server.tls);
  }
}

void ConfigReader::read_name(const TomlEntry& entry, ExportConfig& into) const {
  into.name = string(entry.key, entry.node, "write name = \"disk\"");
  into.name_place = entry.node.place;
  if (into.name.size() > longest_text)
    fail(entry.node.place, entry.key, "is " + std::to_string(into.name.size()) + " bytes long; NBD takes up to 4096");
  if (std::count(into.name.begin(), into.name.end(), '*') > 1)
    fail(entry.node.place, entry.key, in_quotes(into.name) + " has more than one *; one can stand for a name");
}

void ConfigReader::read_description(const TomlEntry& entry, ExportConfig& into) const {
  into.description = string(entry.key, entry.node, "write description = \"…\"");
  if (into.description.size() > longest_text)
    fail(entry.node.place, entry.key,
         "is " + std::to_string(into.description.size()) + " bytes long; NBD takes up to 4096");
}

void ConfigReader::read_read_only(const TomlEntry& entry, ExportConfig& into) const { into.read_only = boolean(entry); }

void ConfigReader::read_optional(const TomlEntry& entry, ExportConfig& into) const { into.optional = boolean(entry); }

void ConfigReader::read_exclusive(const TomlEntry& entry, ExportConfig& into) const { into.exclusive = boolean(entry); }

void ConfigReader::read_multi_conn(const TomlEntry& entry, ExportConfig& into) const {
  const std::vector<std::string> words{"auto", "off"};
  const std::string& text = string(entry.key, entry.node, "write \"auto\" or \"off\"");
  if (std::find(words.begin(), words.end(), text) == words.end())
    fail(entry.node.place, entry.key, "no way " + in_quotes(text) + "; " + did_you_mean(text, words));
  into.multi_conn = text == "auto";
}

void ConfigReader::read_connections_of_export(const TomlEntry& entry, ExportConfig& into) const {
  into.max_connections = static_cast<std::uint32_t>(integer(entry, 1, 1'000'000));
}

void ConfigReader::read_follow_links(const TomlEntry& entry, ExportConfig& into) const {
  into.follow_links = boolean(entry);
  into.follow_links_place = entry.place;
}

void ConfigReader::read_zero_emulation(const TomlEntry& entry, ExportConfig& into) const {
  into.zero_emulation = boolean(entry);
}

void ConfigReader::read_filters(const TomlEntry& entry, ExportConfig& into) const {
  constexpr const char* hint = "write [[export.filter]], with two brackets, once per filter";
  for (const TomlNode& node : array(entry, "an array of tables", hint))
    mistakes_.gather([&] {
      into.filters.push_back(read_layer(table(entry.key, node, "a table", hint), node.place, "[[export.filter]]"));
    });
}

void ConfigReader::read_plugin(const TomlEntry& entry, ExportConfig& into) const {
  if (const auto* several = std::get_if<TomlArray>(&entry.node.value); several != nullptr && several->size() > 1)
    fail((*several)[1].place, entry.key, "given twice in one [[export]]; keep exactly one [export.plugin]");
  const TomlTable& keys = table(entry.key, entry.node, "a table", "write [export.plugin], with one bracket");
  into.plugin = read_layer(keys, entry.node.place, "[export.plugin]");
}

LayerConfig ConfigReader::read_layer(const TomlTable& table, Place place, const char* section) const {
  LayerConfig out;
  bool typed = false;
  for (const TomlEntry& entry : table) {
    if (entry.key != "type") {
      out.parameters.push_back(entry);
      continue;
    }
    typed = true;
    mistakes_.gather([&] { out.type = read_type(entry); });
    out.place = entry.node.place;
  }
  if (!typed)
    tell(place, "type", std::string("missing in this ") + section + "; add the name of a module (see `ashlar list`)");
  return out;
}

std::string ConfigReader::read_type(const TomlEntry& entry) const {
  const std::string& type = string(entry.key, entry.node, "write the name of a module in quotes");
  if (type.empty()) fail(entry.node.place, entry.key, "is empty; write the name of a module (see `ashlar list`)");
  return type.find('/') == std::string::npos ? type : (folder_ / type).lexically_normal().string();
}

}  // namespace ashlar::host
