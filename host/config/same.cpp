#include "config/same.hpp"

#include <algorithm>

namespace ashlar::host {
namespace {

bool same(const TomlValue& a, const TomlValue& b);

bool same(const TomlArray& a, const TomlArray& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const TomlNode& one, const TomlNode& other) { return same(one.value, other.value); });
}

bool same(const TomlTable& a, const TomlTable& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const TomlEntry& one, const TomlEntry& other) {
    return one.key == other.key && same(one.node.value, other.node.value);
  });
}

bool same(const TomlDate&, const TomlDate&) { return false; }  // what it is, is not kept

template <class Simple>
bool same(const Simple& a, const Simple& b) {
  return a == b;
}

bool same(const TomlValue& a, const TomlValue& b) {
  return a.index() == b.index() &&
         std::visit([&](const auto& one) { return same(one, std::get<std::decay_t<decltype(one)>>(b)); }, a);
}

bool same(const LayerConfig& a, const LayerConfig& b) { return a.type == b.type && same(a.parameters, b.parameters); }

bool same(const std::vector<LayerConfig>& a, const std::vector<LayerConfig>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const LayerConfig& one, const LayerConfig& other) { return same(one, other); });
}

const AccessRules* rules_of(const Config& config) {
  const auto& own = config.exports.front().allow;
  const auto& rules = own ? own : config.server.allow;
  return rules ? &*rules : nullptr;
}

// `same_rule` compares two rules.
template <class Same>
bool compare_rules(const Config& a, const Config& b, Same same_rule) {
  const AccessRules* const one = rules_of(a);
  const AccessRules* const other = rules_of(b);
  if (one == nullptr || other == nullptr) return one == other;
  return std::equal(one->rules.begin(), one->rules.end(), other->rules.begin(), other->rules.end(), same_rule);
}

// The numbers of names may have become others.
bool same_rule(const AccessRule& a, const AccessRule& b) {
  return a.text == b.text && a.uid == b.uid && a.user == b.user && a.group == b.group && a.read_only == b.read_only;
}

}  // namespace

bool same_layers(const Config& a, const Config& b) {
  const ExportConfig& one = a.exports.front();
  const ExportConfig& other = b.exports.front();
  return a.folder == b.folder && one.name == other.name && one.read_only == other.read_only &&
         one.optional == other.optional && one.zero_emulation == other.zero_emulation &&
         one.follow_links == other.follow_links && same(one.filters, other.filters) && same(one.plugin, other.plugin);
}

bool same_export(const Config& a, const Config& b) {
  const ExportConfig& one = a.exports.front();
  const ExportConfig& other = b.exports.front();
  return same_layers(a, b) && one.description == other.description && one.exclusive == other.exclusive &&
         one.max_connections == other.max_connections && one.multi_conn == other.multi_conn &&
         one.tls_required == other.tls_required && compare_rules(a, b, same_rule);
}

bool same_places_of_rules(const Config& a, const Config& b) {
  const AccessRules* const one = rules_of(a);
  const AccessRules* const other = rules_of(b);
  if (one == nullptr || other == nullptr) return one == other;
  return one->line == other->line && one->file == other->file && one->of_server == other->of_server &&
         compare_rules(a, b, [](const AccessRule& x, const AccessRule& y) {
           return same_rule(x, y) && x.line == y.line && x.column == y.column;
         });
}

}  // namespace ashlar::host
