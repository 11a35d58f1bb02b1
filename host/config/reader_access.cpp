// ConfigReader's rules about who may do what.
#include <limits>

#include "config/other_names.hpp"
#include "config/reader.hpp"
#include "config/reader_table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

// The highest number stands for no user (setreuid(2)).
constexpr std::int64_t highest_uid = std::numeric_limits<std::uint32_t>::max() - 1;

constexpr const char* hint = R"(write allow = [ { user = "qemu" }, { address = "10.0.0.0/8", read_only = true } ])";

constexpr const char* needs_tls =
    R"(needs TLS, which this server does not speak; add tls = { mode = "require", … } to [server], or take the rule )"
    "out";

bool speaks_tls(const TlsConfig& tls) { return tls.mode != TlsConfig::Mode::off; }

bool names_somebody(const AccessRule& rule) {
  return rule.psk || rule.dn || rule.uid || rule.user || rule.group || rule.address;
}

std::string value_text(const TomlNode& node) {
  if (const auto* text = std::get_if<std::string>(&node.value)) return in_quotes(*text);
  if (const auto* number = std::get_if<std::int64_t>(&node.value)) return std::to_string(*number);
  return std::get<bool>(node.value) ? "true" : "false";
}

// A rule without mistakes, in one line.
std::string rule_text(const TomlTable& table) {
  std::string text;
  for (const TomlEntry& entry : table)
    text += (text.empty() ? "{ " : ", ") + entry.key + " = " + value_text(entry.node);
  return text + " }";
}

}  // namespace

std::span<const ConfigReader::Key<AccessRule>> ConfigReader::access_rule_keys() {
  static constexpr Key<AccessRule> keys[] = {
      {"psk", &ConfigReader::read_rule_psk},
      {"dn", &ConfigReader::read_rule_dn},
      {"uid", &ConfigReader::read_rule_uid},
      {"user", &ConfigReader::read_rule_user},
      {"group", &ConfigReader::read_rule_group},
      {"address", &ConfigReader::read_rule_address},
      {"read_only", &ConfigReader::read_rule_read_only},
  };
  return keys;
}

void ConfigReader::read_server_allow(const TomlEntry& entry, ServerConfig& into) const {
  into.allow = access_rules(entry);
  into.allow->of_server = true;
}

void ConfigReader::read_export_allow(const TomlEntry& entry, ExportConfig& into) const {
  into.allow = access_rules(entry);
}

AccessRules ConfigReader::access_rules(const TomlEntry& entry) const {
  AccessRules out;
  out.line = entry.place.line;
  for (const TomlNode& node : array(entry, "an array of rules", hint))
    mistakes_.gather([&] {
      if (auto rule = access_rule(entry.key, node)) out.rules.push_back(std::move(*rule));
    });
  return out;
}

std::optional<AccessRule> ConfigReader::access_rule(const std::string& key, const TomlNode& node) const {
  const TomlTable& keys = table(key, node, "a rule", hint);
  AccessRule rule;
  rule.line = node.place.line;
  rule.column = node.place.column;
  const std::size_t before = mistakes_.size();
  read_table(keys, access_rule_keys(), "a rule of allow", rule, other_rule_key);
  if (mistakes_.size() != before) return std::nullopt;
  if (keys.empty())
    fail(node.place, key, "has an empty rule; name whom it is for, with psk, dn, uid, user, group or address");
  if (!names_somebody(rule) && !rule.read_only)
    fail(node.place, key, "has a rule that lets everybody write; name whom it is for, or leave allow out");
  if (rule.address && (rule.uid || rule.user || rule.group))
    fail(node.place, key,
         "has a rule that fits nobody: a client by tcp has an address, one at a unix socket a user and groups; make "
         "two rules of it");
  if (rule.psk && rule.dn)
    fail(node.place, key,
         "has a rule that fits nobody: a client shows a key or a certificate, not both; make two rules of it");
  rule.text = rule_text(keys);
  return rule;
}

const std::string& ConfigReader::name_in_rule(const TomlEntry& entry, const char* example) const {
  const std::string& text = string(entry.key, entry.node, example);
  if (text.empty()) fail(entry.node.place, entry.key, std::string("is empty; ") + example);
  return text;
}

void ConfigReader::read_rule_psk(const TomlEntry& entry, AccessRule& into) const {
  into.psk = name_in_rule(entry, R"(write the name of a pre-shared key, as in psk = "alice")");
}

void ConfigReader::read_rule_dn(const TomlEntry& entry, AccessRule& into) const {
  constexpr const char* example = R"(write the distinguished name of a certificate, as in dn = "CN=host1,*")";
  const std::string& text = name_in_rule(entry, example);
  if (text.find_first_of("=*?") == std::string::npos)
    fail(entry.node.place, entry.key, in_quotes(text) + " is no distinguished name, which has a '='; " + example);
  into.dn = text;
}

void ConfigReader::read_rule_uid(const TomlEntry& entry, AccessRule& into) const {
  into.uid = static_cast<uid_t>(integer(entry, 0, highest_uid));
}

void ConfigReader::read_rule_user(const TomlEntry& entry, AccessRule& into) const { into.user = user(entry); }

void ConfigReader::read_rule_group(const TomlEntry& entry, AccessRule& into) const { into.group = group(entry); }

void ConfigReader::read_rule_address(const TomlEntry& entry, AccessRule& into) const {
  const std::string& text = string(entry.key, entry.node, R"(write address = "10.0.0.0/8")");
  into.address = value_of(entry.node.place, entry.key, [&] { return parse_network(text); });
}

void ConfigReader::read_rule_read_only(const TomlEntry& entry, AccessRule& into) const {
  into.read_only = boolean(entry);
}

// Nobody fits such a rule where its proof is not asked for, and who has written it means somebody.
void ConfigReader::check_rules_that_need_tls(const AccessRules& allow, const TlsConfig& tls) const {
  if (tls.flawed) return;
  for (const AccessRule& rule : allow.rules) {
    const Place place{rule.line, rule.column};
    if (rule.psk && !speaks_tls(tls)) tell(place, "psk", needs_tls);
    else if (rule.psk && tls.psk.empty())
      tell(place, "psk", "needs pre-shared keys; add their file to [server], as in tls = { psk = \"keys.psk\", … }");
    if (rule.dn && !speaks_tls(tls)) tell(place, "dn", needs_tls);
    else if (rule.dn && tls.certificates.empty())
      tell(place, "dn", "needs certificates; add their folder to [server], as in tls = { certificates = \"pki\", … }");
    else if (rule.dn && tls.verify_client == false)
      tell(place, "dn", "needs certificates of clients, which verify_client = false does not ask for; take that out");
  }
}

}  // namespace ashlar::host
