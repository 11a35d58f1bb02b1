#include "access/access.hpp"

#include <algorithm>

#include "access/name_pattern.hpp"

namespace ashlar::host {
namespace {

bool fits(const AccessRule& rule, const Identity& client) {
  const auto has_group = [&](gid_t group) {
    return std::find(client.groups.begin(), client.groups.end(), group) != client.groups.end();
  };
  return (!rule.psk || (!client.psk.empty() && *rule.psk == client.psk)) &&
         (!rule.dn || (!client.dn.empty() && fits_pattern(*rule.dn, client.dn))) &&
         (!rule.uid || client.uid == rule.uid) && (!rule.user || client.uid == rule.user) &&
         (!rule.group || has_group(*rule.group)) &&
         (!rule.address || (client.address && rule.address->contains(*client.address)));
}

}  // namespace

const char* access_name(Access access) {
  switch (access) {
    case Access::read_write: return "read-write";
    case Access::read_only: return "read-only";
    case Access::refused: return "refused";
  }
  return "?";
}

Decision decide(const AccessRules* rules, const Identity& client) {
  if (rules == nullptr) return {};
  for (const AccessRule& rule : rules->rules)
    if (fits(rule, client)) return {rule.read_only ? Access::read_only : Access::read_write, &rule};
  return {Access::refused, nullptr};
}

std::string place_in_words(const AccessRules& rules, std::uint32_t line) {
  return "line " + std::to_string(line) + (rules.file.empty() ? "" : " of " + rules.file);
}

std::string reason(const AccessRules* rules, const Decision& decision) {
  if (rules == nullptr) return "there is no allow";
  if (decision.rule != nullptr) return decision.rule->text + " in " + place_in_words(*rules, decision.rule->line);
  const std::string allow =
      (rules->of_server ? "[server] allow in " : "allow in ") + place_in_words(*rules, rules->line);
  return rules->rules.empty() ? allow + " is empty" : "no rule of " + allow + " fits";
}

}  // namespace ashlar::host
